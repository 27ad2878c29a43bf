import { storableText } from '../job/text.ts'
import type { Database } from '../store/database.ts'
import { type ProgressUpdate, writeProgress } from '../store/progress.ts'
import type { LeaseRef } from './lease.ts'

const SPACING_MS = 1_000
const MAX_MESSAGE_BYTES = 500

/** Writes the newest progress of each running job, at most once a second for all of them together. */
export class ProgressWriter {
  readonly #db: Database
  /** By session, then by job. */
  #newest = new Map<string, Map<string, ProgressUpdate>>()
  #timer: NodeJS.Timeout | undefined

  constructor(db: Database) {
    this.#db = db
  }

  push({ id, token, session }: LeaseRef, value: number, message: string | undefined): void {
    let updates = this.#newest.get(session.id)
    if (!updates) this.#newest.set(session.id, (updates = new Map()))
    updates.set(id, {
      id,
      token,
      value,
      ...(message === undefined ? {} : { message: storableText(message, MAX_MESSAGE_BYTES).text }),
    })
    this.#timer ??= setTimeout(() => void this.#write(), SPACING_MS)
  }

  async #write(): Promise<void> {
    this.#timer = undefined
    const newest = this.#newest
    this.#newest = new Map()
    for (const [sessionId, updates] of newest) {
      // Progress is for eyes only: what is not written now is written with the next word.
      await writeProgress(this.#db, sessionId, [...updates.values()]).catch(() => {})
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}
