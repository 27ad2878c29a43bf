import { pauseMs, type Backoff } from './backoff.ts'
import { signalOf } from './handler-signals.ts'
import { toJobError } from './job-error.ts'
import type { JobError } from './job.ts'

/** What one run came to. `lost`: the process that ran it alone has vanished. */
export type RunResult =
  | { kind: 'completed'; resultJson: string }
  | { kind: 'failed'; error: JobError; retryAfterMs?: number; nonRetryable?: boolean }
  | { kind: 'snoozed'; delayMs: number }
  | { kind: 'released' }
  | { kind: 'cancelled'; error?: JobError }
  | { kind: 'lost'; error: JobError }

/** What becomes of the job. */
export type Outcome =
  | { state: 'completed'; resultJson: string }
  | { state: 'retrying'; delayMs: number; error: JobError }
  | { state: 'scheduled'; delayMs: number }
  | { state: 'pending' }
  | { state: 'dead'; error: JobError; reason: string }
  | { state: 'cancelled'; reason: string; error?: JobError }

/** What the decision needs to know of the lease. `attempt` counts over lives, this life began after run `lifeStart`. */
export interface LeasedRun {
  attempt: number
  maxAttempts: number
  lifeStart: number
  /** Runs of this life that were lost before this one. */
  lost: number
  backoff: Backoff
  /** Many fail at once: so many times the pause is added to its jitter. */
  widen?: number
}

/** So many runs of one life may end with their process; then the job is dead. */
export const MAX_LOST = 3

/** As far ahead as a job may be asked to run: ten years. */
export const MAX_DELAY_MS = 3_652 * 86_400_000

/** What a run came to that ended by `thrown`: a failure, or the wish of a handler signal. Never throws. */
export function resultOfThrown(thrown: unknown): RunResult {
  const signal = signalOf(thrown)
  if (signal?.kind === 'snooze') return { kind: 'snoozed', delayMs: signal.delayMs }
  const error = toJobError(thrown)
  if (signal?.kind === 'non_retryable') return { kind: 'failed', error, nonRetryable: true }
  if (signal?.kind === 'retry_after') return { kind: 'failed', error, retryAfterMs: signal.delayMs }
  return { kind: 'failed', error }
}

/** Decides from a run's result alone what becomes of its job; the store still checks the lease when it writes. */
export function decideOutcome(result: RunResult, lease: LeasedRun, random = Math.random): Outcome {
  switch (result.kind) {
    case 'completed':
      return { state: 'completed', resultJson: result.resultJson }
    case 'failed':
      return decideFailure(result, lease, random)
    case 'snoozed':
      return { state: 'scheduled', delayMs: boundedDelay(result.delayMs) }
    case 'released':
      return { state: 'pending' }
    case 'cancelled':
      return { state: 'cancelled', reason: 'cancelled', ...(result.error && { error: result.error }) }
    case 'lost':
      if (lease.lost + 1 >= MAX_LOST) return { state: 'dead', error: result.error, reason: 'lost' }
      return decideFailure({ kind: 'failed', error: result.error }, lease, random)
  }
}

function decideFailure(
  { error, nonRetryable, retryAfterMs }: Extract<RunResult, { kind: 'failed' }>,
  { attempt, maxAttempts, lifeStart, backoff, widen }: LeasedRun,
  random: () => number,
): Outcome {
  if (nonRetryable) return { state: 'dead', error, reason: 'not retryable' }
  if (attempt >= maxAttempts) return { state: 'dead', error, reason: 'attempts spent' }
  const runsOfThisLife = Math.max(1, attempt - lifeStart)
  return {
    state: 'retrying',
    delayMs: boundedDelay(retryAfterMs ?? pauseMs(runsOfThisLife, backoff, random, widen)),
    error,
  }
}

const boundedDelay = (delayMs: number): number => Math.min(MAX_DELAY_MS, Math.max(0, delayMs))
