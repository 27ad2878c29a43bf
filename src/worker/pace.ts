/** How far ahead jobs are leased: what the handlers get through in about this time. */
const AHEAD_MS = 1_000
/** How far ahead it is noted which leases may have been started. */
const NOTED_MS = 100
const MOST_BUFFERED = 1_000
/** Weight of the newest run in the mean. */
const WEIGHT = 0.1

/**
 * How fast this worker's handlers are, from the mean length of their runs. Fast handlers get a buffer, so that no slot
 * waits for a round trip; slow ones get none, so that nobody hoards what others could run.
 */
export class Pace {
  #meanMs: number | undefined
  readonly #concurrency: number

  constructor(concurrency: number) {
    this.#concurrency = concurrency
  }

  ran(ms: number): void {
    this.#meanMs = this.#meanMs === undefined ? ms : this.#meanMs + WEIGHT * (ms - this.#meanMs)
  }

  /** Jobs to hold beside those that run. */
  get buffered(): number {
    return Math.min(MOST_BUFFERED, Math.floor(this.#in(AHEAD_MS)))
  }

  /** Leases beyond the free slots that will start soon. */
  get soon(): number {
    return Math.min(MOST_BUFFERED, Math.ceil(this.#in(NOTED_MS)))
  }

  #in(ms: number): number {
    if (this.#meanMs === undefined) return 0
    const through = (ms / Math.max(this.#meanMs, 0.001)) * this.#concurrency
    return through < 1 ? 0 : through
  }
}
