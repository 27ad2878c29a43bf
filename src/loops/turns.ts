import type { Database } from '../store/database.ts'
import { type LastPass, notePass } from '../store/passes.ts'

/** Nobody has made a pass for this part of the interval: it is anybody's. */
const OVERDUE = 0.8
/** What there is to do is left to the process that made the last pass, for so long. */
const LEFT_MS = 400

/**
 * Whose turn it is. The process that made the last pass goes on, at the moment when something is due; the others look
 * less exactly and step in when it is late, so that a fleet does not wake as one for each job. Only a hint: any two may
 * make the same pass at once.
 */
export class Turns {
  readonly #db: Database
  readonly #name: string
  readonly #intervalMs: number
  #made: string | undefined

  constructor(db: Database, { name, intervalMs }: { name: string; intervalMs: number }) {
    this.#db = db
    this.#name = name
    this.#intervalMs = intervalMs
  }

  /** This process made the last pass. */
  leads(last: LastPass | undefined): boolean {
    return last !== undefined && last.at === this.#made
  }

  isMine({ due, last }: { due: boolean; last: LastPass | undefined }): boolean {
    if (last === undefined || this.leads(last)) return due || this.#isOverdue(last)
    return this.#isOverdue(last) || (due && last.agoMs >= LEFT_MS)
  }

  /** To be called when a pass has been made, not before: what a process leaves undone is another's at once. */
  async made(): Promise<void> {
    this.#made = await notePass(this.#db, this.#name)
  }

  /** Whoever does not lead looks so much later than at the moment. */
  delayMs(last: LastPass | undefined): number {
    return this.leads(last) ? 0 : LEFT_MS * (0.5 + Math.random() / 2)
  }

  #isOverdue(last: LastPass | undefined): boolean {
    return last === undefined || Math.abs(last.agoMs) >= this.#intervalMs * OVERDUE
  }
}
