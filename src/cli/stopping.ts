import { isForgeQError } from '../errors.ts'
import type { Logger } from '../log.ts'
import type { Io, Signal } from './io.ts'

/** Of the same key press a terminal and `npm` each send a signal: only one after this counts as a second. */
const SECOND_AFTER_MS = 1_000
const EXIT: Record<Signal, number> = { SIGINT: 130, SIGTERM: 143 }

/** How a process that stays is told to end. */
export interface Stopping {
  /** The first SIGINT or SIGTERM. */
  readonly told: Promise<Signal>
  /** Aborts with it: ends a wait for the database. */
  readonly signal: AbortSignal
  /** From now on the process ends by itself after `ms`, with this code. */
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
  const forget = io.onSignal((signal) => {
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
      timer = setTimeout(() => {
        warn()
        io.exit(code)
      }, ms)
    },
    release: () => {
      clearTimeout(timer)
      forget()
    },
  }
}

/** What is left of an error once the process was told to stop: a wait for the database that was ended is none at all. */
export function afterTold(error: unknown, { signal }: Stopping, log: Logger): void {
  if (!signal.aborted) throw error
  if (!isForgeQError(error, 'unavailable')) log.warn({ err: error }, 'the stop was not clean')
}

/** The stop is over within the grace period and 5 s; what is left then goes back by its lease. */
export const stopLimitMs = (graceMs: number): number => graceMs + 4_500
