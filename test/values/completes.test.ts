import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canonicalJson } from '../../src/job/json.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob } from '../support/factory.ts'
import { endOf, handler, handlers, jobIn, type TestWorker, testWorker } from '../support/worker.ts'
import { JS_VALUES } from './js-values.ts'

/** What takes long to be found too large is measured in the same way wherever it comes from. */
const VALUES = JS_VALUES.filter(({ name }) => !/million|gigabyte|longest|without end/.test(name))

const PATIENTLY = { withinMs: 25_000 }

const db = testDatabase()
let clients: pg.Pool
let worker: TestWorker
let value: () => unknown

beforeAll(async () => {
  const { host, port, user, password, database } = db.connection
  clients = new pg.Pool({ host, port, database, user: user!, password: password!, max: 3 })
  await db.sql('create table effects (job uuid not null)')
  worker = await testWorker({
    db: db.pool,
    connection: db.connection,
    kept: true,
    leaseMs: 120_000,
    stallLimitMs: 120_000,
    handlers: handlers(
      handler('completes', async (_payload, job) => {
        const tx = await clients.connect()
        try {
          await tx.query('begin')
          await tx.query('insert into effects values ($1)', [job.id])
          await job.complete(tx, value())
          await tx.query('commit')
        } finally {
          await tx.query('rollback')
          tx.release()
        }
        return 'not stored'
      }),
      handler('good', ({ n }) => ({ n })),
    ),
  })
})
afterAll(async () => {
  await worker?.stop({ graceMs: 0 })
  await clients.end()
})

const effectsOf = async (id: string) => (await db.sql('select from effects where job = $1', id)).length

describe('a handler that completes its job in a transaction of its own', () => {
  test.each(VALUES)('with $name has done both, and what is stored is the value or a mark', async (one) => {
    value = one.make
    const id = await insertJob(db.pool, { type: 'completes' })
    const job = await endOf(db.pool, id, PATIENTLY)
    expect(job).toMatchObject({ state: 'completed', attempt: 1 })
    expect(await effectsOf(id)).toBe(1)
    if ('json' in one.returned)
      expect(canonicalJson(job.resultJson!)).toBe(canonicalJson(JSON.stringify(one.returned.json)))
    else {
      const { truncated: bytes } = one.returned
      expect(JSON.parse(job.resultJson!)).toEqual({ forgeq_truncated: true, ...(bytes !== undefined && { bytes }) })
    }
  })

  test('with a value that Postgres refuses although our check let it through fails its run, and has no effect', async () => {
    await db.sql(
      `alter table forgeq.finished_jobs add constraint refuses check (coalesce(result <> '"refused"', true)) not valid`,
    )
    value = () => 'refused'
    const id = await insertJob(db.pool, { type: 'completes' })
    const others = await Promise.all(
      Array.from({ length: 20 }, (_, n) => insertJob(db.pool, { type: 'good', payload: { n } })),
    )
    const job = await jobIn(db.pool, id, 'retrying', PATIENTLY)
    expect(job).toMatchObject({
      attempt: 1,
      error: { code: '23514', message: expect.stringContaining('refuses') as string },
    })
    expect(await effectsOf(id)).toBe(0)
    for (const other of others) expect(await endOf(db.pool, other, PATIENTLY)).toMatchObject({ state: 'completed' })
  })
})
