import { pino } from 'pino'
import { expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { keepingOf } from '../../src/queue/create.ts'
import type { DatabasePool } from '../../src/store/database.ts'
import type { Report, Verdict } from '../../src/worker/lease.ts'
import { createReporter } from '../../src/worker/reporter.ts'
import { rawSql, testDatabase } from '../support/database.ts'
import { insertSession, jobOf } from '../support/factory.ts'
import { held } from '../support/lease.ts'
import { gate, handler, handlers, testWorker, until } from '../support/worker.ts'
import { insertJob } from '../support/factory.ts'

const db = testDatabase()
const keeping = keepingOf(DEFAULTS)

function reporterOn(pool: DatabasePool) {
  const verdicts = new Map<string, Verdict>()
  const onVerdict = (report: Report, verdict: Verdict) => void verdicts.set(report.lease.id, verdict)
  return { verdicts, reporter: createReporter({ db: pool, keeping, log: pino({ level: 'silent' }), onVerdict }) }
}

async function reports(n: number, leaseNoOf = (i: number) => i + 1): Promise<Report[]> {
  const id = await insertSession(db.pool, { expiresInMs: 600_000 })
  const session = { id, worker: { id, name: 'w', host: 'h', pid: 1 }, lost: false }
  return Promise.all(
    Array.from({ length: n }, async (_, i) => {
      const lease = await held(db.pool, { session: id, leaseNo: leaseNoOf(i) })
      const { id: job, token } = lease
      return {
        lease: { id: job, token, session, queue: 'default', type: 'test', keyed: false, leaseNo: leaseNoOf(i) },
        outcome: { state: 'completed', resultJson: String(i) },
        ranMs: 1,
      }
    }),
  )
}

/** A pool whose first writes of outcomes meet this error. */
const failing = (code: string, times: number): DatabasePool =>
  Object.assign(Object.create(db.pool) as DatabasePool, {
    query: (statement: Parameters<DatabasePool['query']>[0]) =>
      statement.name === 'forgeq:complete_jobs' && times-- > 0
        ? Promise.reject(Object.assign(new Error('struck'), { code }))
        : db.pool.query(statement),
  })

test.each(['XX000', '26000', '42501', 'ENETDOWN'])(
  'an error that says nothing about the values (%s) loses no result, however often it strikes',
  async (code) => {
    const { reporter, verdicts } = reporterOn(failing(code, 3))
    const all = await reports(3)
    for (const report of all) reporter.push(report)
    await until('there are verdicts', () => verdicts.size === 3)
    for (const [i, { lease }] of all.entries())
      expect(await jobOf(db.pool, lease.id)).toMatchObject({ state: 'completed', resultJson: String(i) })
  },
)

test.each(['55P03', '22P02'])(
  'a batch of leases far apart of which only the first part was written (%s after it) is completed, and told so',
  async (code) => {
    let parts = 0
    const pool = Object.assign(Object.create(db.pool) as DatabasePool, {
      query: (statement: Parameters<DatabasePool['query']>[0]) =>
        statement.name === 'forgeq:complete_jobs' && ++parts === 2
          ? Promise.reject(Object.assign(new Error('struck'), { code }))
          : db.pool.query(statement),
    })
    const { reporter, verdicts } = reporterOn(pool)
    const all = await reports(4, (i) => (i < 2 ? i + 1 : 1_000_000 + i))
    for (const report of all) reporter.push(report)
    await until('there are verdicts', () => verdicts.size === 4)
    expect([...verdicts.values()].map(({ accepted }) => accepted)).toEqual([true, true, true, true])
  },
)

test('a job that somebody has locked holds up no other outcome, and its own is written when he lets go', async () => {
  const { reporter, verdicts } = reporterOn(db.pool)
  const all = await reports(40)
  const locked = all[7]!.lease.id
  const release = gate()
  const holding = db.pool.transaction(
    async (holder) => {
      await rawSql(holder, 'select from forgeq.jobs where id = $1 for update', [locked])
      for (const report of all.slice(0, 20)) reporter.push(report)
      await until(
        'the first batch waits',
        async () =>
          (await db.sql(`select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`))
            .length > 0,
      )
      // What comes later does not wait behind it.
      for (const report of all.slice(20)) reporter.push(report)
      await until('the later ones are written', () => verdicts.size >= 20, { withinMs: 3_000 })
      await until('those beside it are written', () => verdicts.size === 39, { withinMs: 12_000 })
      await release.promise
    },
    { patient: true },
  )
  await until('all others are written', () => verdicts.size === 39, { withinMs: 20_000 })
  release.open()
  await holding
  await until('it is written', () => verdicts.get(locked) !== undefined)
  expect(verdicts.get(locked)).toEqual({ accepted: true, state: 'completed' })
  expect(reporter.unsettled.size).toBe(0)
})

test('a worker whose outcomes are not heard stops leasing', async () => {
  const types = ['unheard']
  const deaf = Object.assign(Object.create(db.pool) as DatabasePool, {
    query: (statement: Parameters<DatabasePool['query']>[0]) =>
      /forgeq:(complete|finish)/.test(statement.name) ? new Promise(() => {}) : db.pool.query(statement),
  })
  await db.sql(
    `insert into forgeq.jobs (id, queue, type, state, run_at, created_at, payload, max_attempts)
     select gen_random_uuid(), 'default', 'unheard', 'pending', clock_timestamp(), clock_timestamp(), '{}', 25 from generate_series(1, 8000)`,
  )
  let ran = 0
  await testWorker({
    db: deaf,
    connection: db.connection,
    concurrency: 50,
    handlers: handlers(handler(types[0]!, () => void ran++)),
  })
  await until('it runs', () => ran > 1_000)
  let before = -1
  await until('it has stopped', async () => {
    const still = ran === before
    before = ran
    await new Promise((resolve) => setTimeout(resolve, 500))
    return still
  })
  expect(ran).toBeLessThan(4_000)
  expect(await insertJob(db.pool)).toBeDefined()
})
