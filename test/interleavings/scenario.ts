import type { Act, RecoveryStep, SchedulerStep, TimeStep } from './background.ts'
import type { EnqueueStep } from './enqueuer.ts'
import type { WorkerStep } from './worker-steps.ts'

/** Who takes part in a walk, and what each of them may do. */
export interface Scenario {
  name: string
  jobs: { maxAttempts?: number; keyed?: boolean }[]
  workers: Record<string, readonly WorkerStep[]>
  recovery?: readonly RecoveryStep[]
  scheduler?: readonly SchedulerStep[]
  enqueuers?: { names: readonly string[]; steps: readonly EnqueueStep[]; times: number }
  person?: { acts: readonly Act[]; times: number }
  time?: { steps: readonly TimeStep[]; times: number }
  /** How many jobs a claim takes. */
  limit?: number
  /** A claim that was answered may be undone, as by a failover to a standby that did not have it yet. */
  failover?: boolean
  /** How long a snoozed job waits; 0 unless told. */
  snoozeMs?: number
  /** Taken before anything is decided. */
  opening?: readonly string[]
}

/** Faults that are not in a statement's text but in how the statements are used. */
export interface Mistakes {
  /** What a worker has reported and has no answer to is not among what it says it knows. */
  syncForgets?: boolean
  /** A sync names no newest lease. */
  syncIgnoresUpto?: boolean
}
