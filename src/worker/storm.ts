/**
 * From so many failures a second on, the pauses that follow are widened by their own length, and by more with more. A
 * storm over many workers is a small one in each of them.
 */
const FULL_WIDTH_PER_SECOND = 100
const MOST = 3
const MEMORY_MS = 1_000

/** How many runs fail at once, here: so that what a broken neighbour threw back together does not come back together. */
export class Storm {
  #level = 0
  #at = 0

  failed(now = performance.now()): void {
    this.#level = this.#decayed(now) + 1
    this.#at = now
  }

  /** How many times its own length a pause that begins now may be longer. */
  widen(now = performance.now()): number {
    return Math.min(MOST, this.#decayed(now) / FULL_WIDTH_PER_SECOND)
  }

  #decayed(now: number): number {
    return this.#level * Math.exp((this.#at - now) / MEMORY_MS)
  }
}
