import type pg from 'pg'
import { beforeAll } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { keepingOf } from '../../src/queue/create.ts'
import { callersTransaction } from '../../src/store/caller-transaction.ts'
import { completeInTransaction } from '../../src/store/complete-in-transaction.ts'
import type { TestDatabase } from '../support/database.ts'
import { type Held, reporterOf } from '../support/lease.ts'

export const keeping = keepingOf(DEFAULTS)

export const complete = (caller: pg.Client, { id, token, sessionId }: Held, resultJson = '{"a":1.10}') =>
  completeInTransaction(
    callersTransaction(caller),
    reporterOf(sessionId),
    { id, token, resultJson, ranMs: 1_500 },
    keeping,
  )

/** A client whose transaction has begun and has written something of the handler's own. */
export async function beginWithEffect(caller: pg.Client, id: string, begin = 'begin'): Promise<void> {
  await caller.query(begin)
  await caller.query('insert into effects values ($1)', [id])
}

/** The table that `beginWithEffect` writes to, and how many effects of a job are there. */
export function effectsIn(db: TestDatabase) {
  beforeAll(() => db.sql('create table effects (job uuid not null)'))
  return async (id: string) => (await db.sql('select from effects where job = $1', id)).length
}
