import type { Database } from '../store/database.ts'
import type { Sight } from '../store/look.ts'
import type { Lookout, RecentSight } from '../store/lookout.ts'
import { type LastPass, notePass } from '../store/passes.ts'
import type { Look } from './loop.ts'

/** Nobody has made a pass for this part of the time in which one is wanted: it is anybody's. */
const OVERDUE = 0.8
/** What there is to do is left to the process that made the last pass, for so long. */
const LEFT_MS = 400
/** Whoever looks in the midst of that leaves it alone for this long at least. */
const SPARED_MS = 150
/** Nothing is due again sooner than this after a pass, however often it is looked for. */
const SHORTEST_MS = 5
/** What has been due for longer than this and was not to be had is locked by somebody: it is looked at again after this time. */
const HELD_MS = 250

export interface TurnsOptions {
  name: string
  lookout: Lookout
  /** In how many milliseconds there is something to do; absent when nothing is known of. */
  dueMs(sight: Sight): number | undefined
  /** A pass is wanted so often although nothing is known to be due. */
  anywayMs(sight: Sight): number
}

/**
 * Whose turn it is. The process that made the last pass goes on, at the moment when something is due; the others look
 * less exactly and step in when it is late, so that a fleet does not wake as one for each job. Only a hint: any two may
 * make the same pass at once.
 */
export class Turns {
  readonly #db: Database
  readonly #options: TurnsOptions
  #made: string | undefined

  constructor(db: Database, options: TurnsOptions) {
    this.#db = db
    this.#options = options
  }

  /** Whether this process makes a pass now, and when it looks again. */
  async look(how: { fresh: boolean }): Promise<Look> {
    const { lookout } = this.#options
    let sight = await lookout.look(how)
    // Others may have seen to it since.
    if (!how.fresh && this.#isMine(sight) && !this.#leads(sight)) sight = await lookout.look({ fresh: true })
    return { mine: this.#isMine(sight), nextMs: Math.min(sight.goodForMs, this.#pauseMs(sight)) }
  }

  /** To be called when a pass has been made, not before: what a process leaves undone is another's at once. */
  async made(): Promise<void> {
    this.#made = await notePass(this.#db, this.#options.name)
  }

  /** This process made the last pass. */
  #leads(sight: Sight): boolean {
    return this.#made !== undefined && this.#last(sight)?.at === this.#made
  }

  #isMine(sight: Sight): boolean {
    const last = this.#last(sight)
    if (!last || Math.abs(last.agoMs) >= this.#options.anywayMs(sight) * OVERDUE) return true
    const dueMs = this.#options.dueMs(sight)
    if (dueMs === undefined || dueMs > 0) return false
    // A pass that seems to lie ahead was made before the clock was set back: it tells nothing.
    return this.#leads(sight) || ((last.agoMs >= LEFT_MS || last.agoMs < -SPARED_MS) && dueMs <= -SPARED_MS)
  }

  #pauseMs(sight: RecentSight): number {
    const dueMs = this.#options.dueMs(sight)
    if (dueMs === undefined) return Infinity
    const nextMs = Math.max(dueMs < -HELD_MS ? HELD_MS : SHORTEST_MS, dueMs)
    return this.#leads(sight) ? nextMs : nextMs + LEFT_MS * (0.5 + Math.random() / 2)
  }

  #last(sight: Sight): LastPass | undefined {
    return sight.passes.get(this.#options.name)
  }
}
