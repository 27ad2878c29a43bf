import type { Logger } from 'pino'
import { isForgeQError } from '../errors.ts'

/** A job that could not be written is looked at again after this time. */
const SET_ASIDE_MS = 60_000

/**
 * Jobs that the store cannot write, whatever the reason: they must not keep a pass from the others. When a pass over many
 * fails, each of them is taken alone, and the ones at fault are left out for a minute.
 */
export class SetAside {
  readonly #until = new Map<string, number>()

  /** The jobs to leave out now. */
  get ids(): string[] {
    const now = performance.now()
    for (const [id, until] of this.#until) if (until <= now) this.#until.delete(id)
    return [...this.#until.keys()]
  }

  /** Makes the pass; should it fail for another reason than the database being away, one by one. Returns how many. */
  async pass(
    all: (except: string[]) => Promise<number>,
    one: { ids(except: string[]): Promise<string[]>; take(id: string): Promise<number>; log: Logger },
  ): Promise<number> {
    const except = this.ids
    let failure: unknown
    try {
      return await all(except)
    } catch (error) {
      if (isForgeQError(error, 'unavailable')) throw error
      failure = error
    }
    const ids = await one.ids(except)
    if (ids.length === 0) throw failure // it was not about any of them
    let handled = 0
    for (const id of ids) {
      try {
        handled += await one.take(id)
      } catch (error) {
        if (isForgeQError(error, 'unavailable')) throw error
        this.#until.set(id, performance.now() + SET_ASIDE_MS)
        one.log.error({ err: error, job_id: id }, 'a job could not be written; trying again in a minute')
      }
    }
    return handled
  }
}
