import type { Connection, Database, DatabasePool } from '../../src/store/database.ts'
import type { Statement } from '../../src/store/sql.ts'
import { rawSql } from '../support/database.ts'
import type { Stage } from './stage.ts'

/** Changes the text of one statement of the product; must match exactly once. */
export interface Edit {
  find: string | RegExp
  put: string
}

/** By the statement's name without `forgeq:`. */
export type Edits = Readonly<Record<string, readonly Edit[]>>

export function edited(text: string, name: string, { find, put }: Edit): string {
  const found =
    typeof find === 'string' ? text.split(find).length - 1 : [...text.matchAll(new RegExp(find, 'g'))].length
  if (found !== 1) throw new Error(`${name} holds ${String(find)} ${found} times, not once`)
  return typeof find === 'string' ? text.replace(find, () => put) : text.replace(find, put)
}

/** A walk may stand in the middle of a transaction for longer than the product lets one. */
const PATIENT = 'set local idle_in_transaction_session_timeout = 0'

const shortName = (statement: Statement): string => statement.name.replace('forgeq:', '')

/** Statements that only look: nobody needs to decide when. */
const LOOKS = new Set(['read_job', 'read_meanings', 'look_around', 'begin'])

/**
 * One actor's connection. Each statement waits at the actor's gate, but for the one that the step chosen last stands
 * for: `ticket`. A statement that is `held` takes its snapshot and then waits for an advisory lock, before it looks at
 * a row, so that others can change what it is about to see.
 */
export class Road implements Database {
  readonly pid: number
  readonly #actor: string
  readonly #stage: Stage
  readonly #connection: Connection
  readonly #edits: Edits
  #ticket = false
  #held: { name: string; key: number } | undefined
  #open = false
  /** What lay before the statements that are still under way or not committed: they go on from that. */
  #seen: string[] = []
  readonly #sight: () => string

  constructor(actor: string, stage: Stage, connection: Connection, edits: Edits, sight: () => string) {
    this.#actor = actor
    this.#stage = stage
    this.#connection = connection
    this.#edits = edits
    this.#sight = sight
    this.pid = connection.backendPid
  }

  /** The next statement passes: its step has been chosen. */
  ticket(): this {
    this.#ticket = true
    return this
  }

  /** The next statement of that name waits for the advisory lock `key` after it has taken its snapshot. */
  hold(name: string, key: number): void {
    this.#held = { name, key }
  }

  async query<Row>(statement: Statement): Promise<Row[]> {
    const name = shortName(statement)
    if (!this.#ticket && !LOOKS.has(name)) await this.#stage.pass(this.#actor, [name])
    if (!LOOKS.has(name)) this.#ticket = false
    this.#seen.push(name, this.#sight())
    try {
      const rows = await this.#connection.query<Row>(this.#changed(statement, name))
      if (this.#open) await rawSql(this.#connection, PATIENT)
      return rows
    } catch (error) {
      // Whoever asked may catch it and go on; here no statement has a reason to fail.
      this.#stage.fail(error)
      throw error
    } finally {
      if (!this.#open) this.#seen = []
    }
  }

  #changed(statement: Statement, name: string): Statement {
    let { text, prepared } = statement
    for (const edit of this.#edits[name] ?? []) {
      text = edited(text, name, edit)
      prepared = `${statement.prepared}_edited`
    }
    if (this.#held?.name === name) {
      text = edited(text, name, heldEdit(name, this.#held.key))
      prepared = ''
      this.#held = undefined
    }
    return { ...statement, text, prepared }
  }

  get seen(): readonly string[] {
    return this.#seen
  }

  /** In a transaction. */
  get open(): boolean {
    return this.#open
  }

  async begin(): Promise<void> {
    await rawSql(this.#connection, `begin; ${PATIENT}`)
    this.#open = true
  }

  async end(how: 'commit' | 'rollback'): Promise<void> {
    this.#open = false
    this.#seen = []
    await rawSql(this.#connection, how)
  }

  /** Rolls back what a walk that is over has left open. */
  async clear(): Promise<void> {
    this.#ticket = false
    this.#held = undefined
    if (this.#open) await this.end('rollback')
  }

  /** This road as a pool: each of a transaction's statements and its commit wait at the gate. */
  pool(): DatabasePool {
    return {
      query: (statement) => this.query(statement),
      transaction: async (work) => {
        await this.begin()
        try {
          const result = await work(this)
          await this.#stage.pass(this.#actor, ['commit'])
          await this.end('commit')
          return result
        } catch (error) {
          if (this.#open) await this.end('rollback')
          throw error
        }
      },
      connect: () => Promise.reject(new Error('no connection besides this one')),
      stats: { size: 1, total: 1, idle: 0, waiting: 0 },
      close: () => Promise.resolve(),
    }
  }
}

/** Where a held statement waits: evaluated once, after its snapshot is taken and before any row of `jobs` is looked at. */
const WAITS_BEFORE: Readonly<Record<string, string>> = {
  lock_lost_jobs: 'job.session_id = any (array(select session_id from gone))',
  sync_leases: 'job.id = any (array(select id from held)) and',
  complete_jobs: "job.state = 'running'",
  finish_jobs: 'job.id = any (array(select id from outcome)) and',
  finish_keyed_jobs: 'job.id = any (array(select id from outcome)) and',
  requeue_jobs: 'job.id = any (array(select id from outcome)) and',
  claim_jobs: 'id = $1 and ended_at is null',
  promote_due_jobs: "state in ('scheduled', 'retrying') and",
  cancel_waiting_job: "job.state <> 'running'",
  request_cancel: "state = 'running'",
  revive_job: 'job.id = $1',
  write_progress: 'job.id = any (array(select id from sent)) and',
}

export const HOLDABLE = Object.keys(WAITS_BEFORE)

function heldEdit(name: string, key: number): Edit {
  const find = WAITS_BEFORE[name]
  if (find === undefined) throw new Error(`${name} cannot be held`)
  return { find, put: `(select pg_advisory_xact_lock_shared(${key})::text) is not null and ${find}` }
}
