import type { Logger } from 'pino'

export interface Loop {
  readonly name: string
  start(): void
  /** Starts the next pass now; remembered when a pass is already under way. */
  wake(): void
  /** Lets the current pass finish. Safe twice, or before `start`. */
  stop(): Promise<void>
  /** One pass, on the caller's time: how many rows it handled. Tests call this instead of waiting. */
  runOnce(): Promise<number>
}

export interface LoopOptions {
  name: string
  /** Longest pause between two passes. */
  intervalMs: number
  /** A pass that handled so many is followed by another at once. */
  batch: number
  log: Logger
  run(): Promise<number>
  /** Before each pass and after it; absent: this process makes every pass. */
  look?(): Promise<Look>
  onHandled?(name: string, handled: number): void
}

export interface Look {
  /** False: there is nothing to do now, or another process sees to it. */
  mine: boolean
  /** In how many milliseconds there will be something to do; absent when nothing is known of. */
  nextMs?: number
}

/** A pass that fails is tried again after this long, doubling up to the interval or ten times this. */
const FIRST_PAUSE_MS = 200

/**
 * Makes pass after pass: again at once after a full batch, otherwise when there is something to do, at a wake-up, or
 * after the interval with some jitter. No leader: every pass is safe beside the same pass in other processes.
 */
export function createLoop({ name, intervalMs, batch, log, run, look, onHandled }: LoopOptions): Loop {
  let running: Promise<void> | undefined
  let stopping = false
  let woken = false
  let alarm: (() => void) | undefined
  let failures = 0
  /** The last pass was full: the next one is this process's too. */
  let more = false

  async function runOnce(): Promise<number> {
    const handled = await run()
    if (handled > 0) {
      log.debug({ loop: name, handled }, 'pass')
      onHandled?.(name, handled)
    }
    return handled
  }

  async function pass(): Promise<number> {
    try {
      woken = false // before anything is awaited: a wake-up from here on is for the next pass
      let seen = more ? undefined : await look?.()
      if (seen?.mine ?? true) {
        more = (await runOnce()) >= batch
        seen = more ? { mine: true, nextMs: 0 } : await look?.()
      }
      failures = 0
      return Math.max(0, Math.min(seen?.nextMs ?? Number.POSITIVE_INFINITY, intervalMs * (0.9 + Math.random() / 5)))
    } catch (error) {
      const pauseMs = Math.min(intervalMs, FIRST_PAUSE_MS * 10, FIRST_PAUSE_MS * 2 ** failures++)
      if (!stopping) log.warn({ loop: name, err: error }, 'pass failed; trying again')
      return pauseMs * (0.75 + Math.random() / 2)
    }
  }

  async function keepPassing(): Promise<void> {
    for (;;) {
      const pauseMs = await pass()
      if (stopping) return
      if (!woken) await pause(pauseMs)
      if (stopping) return
    }
  }

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        alarm = undefined
        resolve()
      }
      const timer = setTimeout(done, ms)
      alarm = done
    })

  return {
    name,
    start() {
      if (!stopping) running ??= keepPassing()
    },
    wake() {
      woken = true
      alarm?.()
    },
    async stop() {
      stopping = true
      alarm?.()
      await running
    },
    runOnce,
  }
}
