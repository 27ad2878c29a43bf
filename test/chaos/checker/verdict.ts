import type { HistoryEvent } from '../history.ts'
import type { Figures } from './figures.ts'

export const INVARIANTS = {
  I1: 'every acknowledged enqueue is final at the end',
  I2: 'one idempotency key or id, one job',
  I3: 'a refused enqueue does not exist',
  I4: 'nothing exists or runs that was not enqueued',
  I5: 'the tokens of a job strictly grow',
  I6: "at most one token's completion takes effect",
  I7: 'nothing takes effect that was sent after a newer claim had started',
  I8: 'what is written through the completing transaction exists exactly once if the job completed, and not otherwise',
  I9: 'counted runs of a life stay within its attempts, losses within their limit, and what never started pays for none',
  I10: 'a final state never changes but by an explicit retry',
  I11: 'nothing starts before its time',
  I12: 'dead only after a failed or lost run',
  I13: 'nothing runs on past its lease and one pass of recovery',
} as const
export type Invariant = keyof typeof INVARIANTS

export interface Violation {
  invariant: Invariant
  job?: string
  /** What is wrong, in one sentence. */
  sentence: string
  /** What proves it, by time. */
  events: HistoryEvent[]
}

/** What the product was set to, and how long the workload may take. Milliseconds. */
export interface Limits {
  leaseMs: number
  /** The longest time between two looks of recovery. */
  recoveryMs: number
  /** A pass of recovery is not over at once: from its look to its commit. One second unless told. */
  passMs?: number
  /** All the pauses and runs that a job of the workload may still need once everything is healed, added up. */
  longestBackoffMs: number
  maxLost: number
  /** Runs that a worker has under way at most. */
  slots: number
}

export interface Verdict {
  /** Nothing is broken, and the faults bit. */
  passed: boolean
  broken: Invariant[]
  counts: { [invariant in Invariant]?: number }
  /** The first hundred of each invariant. */
  violations: Violation[]
  /** Why the run shows nothing, although nothing is broken. */
  vacuous: string[]
  figures: Figures
}

export type Report = (invariant: Invariant, violation: Omit<Violation, 'invariant'>) => void
