/** How far ahead jobs are leased: what the handlers get through in about this time. */
const AHEAD_MS = 1_000
/** How far ahead it is noted which leases may have been started. */
const NOTED_MS = 100
const MOST_BUFFERED = 1_000
const MOST_AT_ONCE = 500
/** About so much payload in one claim. */
const MOST_BYTES = 33_554_432
/** Weight of the newest run, or job, in the means. */
const WEIGHT = 0.1

/**
 * How fast this worker's handlers are, from the mean length of their runs. Fast handlers get a buffer, so that no slot
 * waits for a round trip; slow ones get none, so that nobody hoards what others could run.
 */
export class Pace {
  #meanMs: number | undefined
  readonly #concurrency: number
  #meanBytes = 0
  #stoodMs = 0

  constructor(concurrency: number) {
    this.#concurrency = concurrency
  }

  /** Jobs have come: how large their payloads are bounds how many are asked for next. */
  received(payloadBytes: readonly number[]): void {
    for (const bytes of payloadBytes) this.#meanBytes += WEIGHT * (bytes - this.#meanBytes)
  }

  /** Jobs in one claim. */
  get mostAtOnce(): number {
    return Math.max(1, Math.min(MOST_AT_ONCE, Math.floor(MOST_BYTES / Math.max(1, this.#meanBytes))))
  }

  ran(ms: number): void {
    this.#meanMs = this.#meanMs === undefined ? ms : this.#meanMs + WEIGHT * (ms - this.#meanMs)
  }

  /** All slots have been taken for so long without a start: handlers that were fast may have become slow. 0: not so. */
  stood(ms: number): void {
    this.#stoodMs = ms
  }

  /** Nothing has started for twice the time that is leased ahead: whatever lies in the buffer is better off elsewhere. */
  get stands(): boolean {
    return this.#stoodMs >= 2 * AHEAD_MS
  }

  /** Jobs to hold beside those that run. */
  get buffered(): number {
    if (this.stands) return 0
    return Math.min(MOST_BUFFERED, 2 * this.mostAtOnce, Math.floor(this.#in(AHEAD_MS)))
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
