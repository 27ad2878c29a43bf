import type { LaneClaim } from '../store/leases.ts'
import type { Lane, LeasedJob } from '../store/leased-job.ts'

const keyOf = ({ queue, type, priority }: Lane) => `${queue}\n${type}\n${priority}`

/** Lanes that were empty at the last look but may fill again; kept, so that a wake-up finds their jobs in one claim. */
const KEPT_EMPTY = 8

/**
 * The lanes that this worker claims from and the remembered position in each: while some snapshot pins old versions,
 * the head of the ready index fills with dead entries, and a claim that starts behind them does not walk over them
 * again. Jobs may come in behind a position (transactions do not commit in order, promotions keep their due time), so
 * positions are forgotten as soon as a claim comes back short, and at every full look.
 */
export class Lanes {
  #lanes = new Map<string, LaneClaim>()
  #partial = false

  get all(): LaneClaim[] {
    return [...this.#lanes.values()]
  }

  get positioned(): boolean {
    for (const { after } of this.#lanes.values()) if (after) return true
    return false
  }

  /** There may be lanes of lower priorities that the last look did not tell. */
  get partial(): boolean {
    return this.#partial
  }

  /** Takes over what a full look found; positions begin anew. */
  replace({ lanes: found, partial }: { lanes: readonly Lane[]; partial: boolean }): void {
    this.#partial = partial
    const next = new Map(found.map((lane) => [keyOf(lane), { ...lane, after: null }]))
    const empty = [...this.#lanes.values()].filter((lane) => !next.has(keyOf(lane))).slice(-KEPT_EMPTY)
    this.#lanes = new Map([
      ...empty.map((lane): [string, LaneClaim] => [keyOf(lane), { ...lane, after: null }]),
      ...next,
    ])
  }

  /** After a claim that came back full: the next one goes on behind what it took. */
  advance(taken: readonly LeasedJob[]): void {
    for (const job of taken) {
      if (!job.position) continue
      const lane = this.#lanes.get(keyOf(job))
      if (lane) lane.after = job.position // in start order, so the last of a lane is its furthest
    }
  }

  /** After a claim that came back short: from now on from the start. */
  rewind(): void {
    for (const lane of this.#lanes.values()) lane.after = null
  }
}
