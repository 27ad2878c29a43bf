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
  run(): Promise<number | Pass>
  /** Before each pass, and after it for the time of the next one. `fresh`: something may just have changed. */
  look?(how: { fresh: boolean }): Promise<Look>
  /** True when this process makes the pass that it is time for, and the others skip it. Absent, like `look`: always. */
  turn?(): Promise<boolean>
  onHandled?(name: string, handled: number): void
}

/** Absent `more`: a full batch. */
export interface Pass {
  handled: number
  more: boolean
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
export function createLoop({ name, intervalMs, batch, log, run, look, turn, onHandled }: LoopOptions): Loop {
  let running: Promise<void> | undefined
  let stopping = false
  let woken = false
  let alarm: (() => void) | undefined
  let failures = 0
  /** A pass is this process's to make: the last one was full, or failed. */
  let owed = false

  async function makePass(): Promise<Pass> {
    const made = await run()
    const { handled, more } = typeof made === 'number' ? { handled: made, more: made >= batch } : made
    if (handled > 0) {
      log.debug({ loop: name, handled }, 'pass')
      onHandled?.(name, handled)
    }
    return { handled, more }
  }

  async function pass(): Promise<number> {
    try {
      const asked = woken
      woken = false // before anything is awaited: a wake-up from here on is for the next pass
      let seen = owed ? undefined : await look?.({ fresh: asked })
      owed ||= seen ? seen.mine : asked || !turn || (await turn())
      if (owed) {
        const { more } = await makePass()
        owed = more
        if (!more) seen = await look?.({ fresh: true })
      }
      failures = 0
      if (owed) return 0
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
    runOnce: async () => (await makePass()).handled,
  }
}
