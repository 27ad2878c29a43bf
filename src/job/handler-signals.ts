import { DURATION_HELP, parseDuration } from './duration.ts'

/**
 * Marks what a handler throws to steer its job. A registered symbol and not `instanceof`, because a handlers folder
 * can bring its own copy of the package.
 */
const SIGNAL = Symbol.for('forgeq.handler_signal')

export type HandlerSignal =
  | { kind: 'non_retryable' }
  | { kind: 'retry_after'; delayMs: number }
  | { kind: 'snooze'; delayMs: number }

/** Thrown by a handler whose job can never succeed: the job is `dead` at once. */
export class NonRetryableError extends Error {
  readonly [SIGNAL]: HandlerSignal = { kind: 'non_retryable' }

  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'NonRetryableError'
  }
}

/** Thrown by a handler that knows when to try again: the failure counts, the pause is the given one. */
export class RetryAfterError extends Error {
  readonly [SIGNAL]: HandlerSignal

  /** @throws {TypeError} a delay that is not a duration */
  constructor(delay: string, message?: string, cause?: unknown) {
    const delayMs = delayOf('retryAfter', delay)
    super(message ?? `asked to be retried after ${delay}`, cause === undefined ? undefined : { cause })
    this.name = 'RetryAfterError'
    this[SIGNAL] = { kind: 'retry_after', delayMs }
  }
}

/** Thrown by a handler that has nothing to do yet: the job waits as `scheduled` and the run does not count. */
export class SnoozeSignal extends Error {
  readonly [SIGNAL]: HandlerSignal

  /** @throws {TypeError} a delay that is not a duration */
  constructor(delay: string) {
    const delayMs = delayOf('snooze', delay)
    super(`snoozed for ${delay}`)
    this.name = 'SnoozeSignal'
    this[SIGNAL] = { kind: 'snooze', delayMs }
  }
}

/** `throw nonRetryable('no such account')`: the job is dead at once. */
export const nonRetryable = (message: string, cause?: unknown) => new NonRetryableError(message, cause)

/** `throw retryAfter('5m')`: the job fails and runs again in five minutes. A bad duration throws a TypeError instead. */
export const retryAfter = (delay: string, message?: string, cause?: unknown) =>
  new RetryAfterError(delay, message, cause)

/** `throw snooze('10m')`: the job runs again in ten minutes, uncounted. A bad duration throws a TypeError instead. */
export const snooze = (delay: string) => new SnoozeSignal(delay)

/** The wish that something thrown carries, also from another copy of this package; undefined for any other error. */
export function signalOf(thrown: unknown): HandlerSignal | undefined {
  try {
    const signal = (thrown as { [SIGNAL]?: HandlerSignal } | null | undefined)?.[SIGNAL]
    if (signal === null || typeof signal !== 'object') return undefined
    if (signal.kind === 'non_retryable') return { kind: signal.kind }
    const { kind, delayMs } = signal
    if (kind !== 'retry_after' && kind !== 'snooze') return undefined
    return Number.isSafeInteger(delayMs) && delayMs >= 0 ? { kind, delayMs } : undefined
  } catch {
    return undefined // a getter or proxy that throws is an error like any other
  }
}

function delayOf(what: string, delay: unknown): number {
  const delayMs = parseDuration(delay)
  if (delayMs !== undefined) return delayMs
  const given = typeof delay === 'string' ? JSON.stringify(delay.slice(0, 64)) : `a value of type ${typeof delay}`
  throw new TypeError(`${what}: ${given} is not a duration; ${DURATION_HELP}`)
}
