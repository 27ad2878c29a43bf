import { isForgeQError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Io, Signal } from './io.ts'

/** Of the same key press a terminal and `npm` each send a signal: only one after this counts as a second. */
const SECOND_AFTER_MS = 1_000
/** Of the 5 s, what is left to the end of the process itself. */
const BEYOND_GRACE_MS = 4_500
const EXIT: Record<Signal, number> = { SIGINT: 130, SIGTERM: 143 }

/** How a process that stays is told to end. */
export interface Stopping {
  /** The first SIGINT or SIGTERM. */
  readonly told: Promise<Signal>
  /** Aborts with it: ends a wait for the database. */
  readonly signal: AbortSignal
  /** From now on the process ends by itself after `ms`, with this code; the first limit holds. */
  limit(ms: number, code: number, warn: () => void): void
  release(): void
}

/** Listens for signals: the first asks, a second at least 1 s later ends the process at once. */
export function stopOnSignal(io: Io): Stopping {
  const controller = new AbortController()
  let firstAt: number | undefined
  let timer: NodeJS.Timeout | undefined
  let tell: (signal: Signal) => void
  const told = new Promise<Signal>((resolve) => (tell = resolve))
  io.onSignal((signal) => {
    if (firstAt === undefined) {
      firstAt = performance.now()
      controller.abort()
      tell(signal)
    } else if (performance.now() - firstAt >= SECOND_AFTER_MS) io.exit(EXIT[signal])
  })
  return {
    told,
    signal: controller.signal,
    limit: (ms, code, warn) => {
      timer ??= setTimeout(() => {
        warn()
        io.exit(code)
      }, ms)
    },
    // It goes on listening: a signal that belongs to the first one must not change how an ordered end ends.
    release: () => clearTimeout(timer),
  }
}

/** What is left of an error once the process was told to stop: a wait for the database that was ended is none at all. */
export function afterTold(error: unknown, { signal }: Stopping, log: Logger): void {
  if (!signal.aborted) throw error
  if (!isForgeQError(error, 'unavailable')) log.warn({ err: error }, 'the stop was not clean')
}

/**
 * From the signal on everything is over within the grace period and 5 s, whatever the process waits for by then, its start
 * too; what is left goes back by its lease.
 */
export function endInTime(stopping: Stopping, graceMs: number, log: Logger): void {
  void stopping.told.then(() => limitStop(stopping, { graceMs, code: 0, log }))
}

/** The same from now on. */
export function limitStop(
  stopping: Stopping,
  { graceMs, code, log }: { graceMs: number; code: number; log: Logger },
): void {
  stopping.limit(graceMs + BEYOND_GRACE_MS, code, () =>
    log.warn('the stop took too long; the process ends now, leases expire on their own'),
  )
}
