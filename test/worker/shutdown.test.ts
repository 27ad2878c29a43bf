import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { defineJob, ForgeQ } from '../../src/index.ts'
import { createPool, type DatabasePool } from '../../src/store/database.ts'
import type { Handler } from '../../src/worker/handler.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, jobOf } from '../support/factory.ts'
import { openProxy, type Proxy } from '../support/proxy.ts'
import { endOf, gate, handler, handlers, testWorker, until, untilAborted } from '../support/worker.ts'

const db = testDatabase()
const start = (all: Handler[], fields: object = {}) =>
  testWorker({ db: db.pool, connection: db.connection, handlers: handlers(...all), ...fields })
const sessionOf = async (id: string) =>
  (await db.sql<{ end_reason: string | null }>(`select end_reason from forgeq.sessions where id = $1`, id))[0]!
const timed = async (work: Promise<unknown>): Promise<number> => {
  const began = performance.now()
  await work
  return performance.now() - began
}

/** A worker whose slots are full and whose buffer holds more. */
async function busy(run: Handler['run'], fields: object = {}) {
  let hold = false
  let running = 0
  const worker = await start(
    [
      handler('test', (payload, job) => {
        if (!hold) return undefined
        running++
        return run(payload, job, { payloadJson: '{}', backoff: { kind: 'fixed', baseMs: 1, capMs: 1, jitter: 0 } })
      }),
    ],
    { concurrency: 3, ...fields },
  )
  for (let n = 0; n < 5; n++) await endOf(db.pool, await insertJob(db.pool))
  hold = true
  const ids: string[] = []
  for (let n = 0; n < 13; n++) ids.push(await insertJob(db.pool))
  await until('the slots are full and the rest is buffered', async () => {
    const [row] = await db.sql<{ n: number }>(
      `select count(*)::int as n from forgeq.jobs where id = any ($1) and state = 'running'`,
      ids,
    )
    return running === 3 && row!.n === 13
  })
  return { worker, ids, session: worker.id }
}
const states = async (ids: string[]) =>
  db.sql(
    `select state, attempt, count(*)::int as n from forgeq.all_jobs where id = any ($1) group by state, attempt order by state, attempt`,
    ids,
  )

describe('a worker that is stopped', () => {
  test('lets running handlers finish, hands back what it had buffered at no attempt, and deregisters', async () => {
    const end = gate()
    const { worker, ids, session } = await busy(() => end.promise)
    const stopping = worker.stop()
    await until('the buffer is back', async () => (await states(ids)).length === 2)
    expect(await states(ids)).toEqual([
      { state: 'pending', attempt: 0, n: 10 },
      { state: 'running', attempt: 1, n: 3 },
    ])
    end.open()
    expect(await timed(stopping)).toBeLessThan(2_000)
    expect(await states(ids)).toEqual([
      { state: 'completed', attempt: 1, n: 3 },
      { state: 'pending', attempt: 0, n: 10 },
    ])
    expect(await sessionOf(session)).toEqual({ end_reason: 'stopped' })
    await db.sql(`delete from forgeq.jobs`)
  })

  test('aborts past the grace period, and releases uncounted what ended by that', async () => {
    let reason: unknown
    const { worker, ids } = await busy((_, job) =>
      untilAborted(job.signal).catch((error) => Promise.reject((reason = error))),
    )
    const tookMs = await timed(worker.stop({ graceMs: 200 }))
    expect(tookMs).toBeGreaterThanOrEqual(200)
    expect(tookMs).toBeLessThan(2_200)
    expect(reason).toMatchObject({ name: 'AbortError', reason: 'shutdown' })
    expect(await states(ids)).toEqual([{ state: 'pending', attempt: 0, n: 13 }])
    const released = await db.sql(`select attempts from forgeq.jobs where attempts is not null`)
    expect(released).toHaveLength(3)
    await db.sql(`delete from forgeq.jobs`)
  })

  test('keeps the value that a handler returns after the abort', async () => {
    const { worker, ids } = await busy((_, job) => untilAborted(job.signal).catch(() => 'in time'))
    await worker.stop({ graceMs: 50 })
    expect(await states(ids)).toEqual([
      { state: 'completed', attempt: 1, n: 3 },
      { state: 'pending', attempt: 0, n: 10 },
    ])
    await db.sql(`delete from forgeq.jobs`)
  })

  test('counts the run of a handler that hears nothing, and ends within the grace period and 5 s', async () => {
    const end = gate()
    const { worker, ids } = await busy(() => end.promise)
    await db.sql(`update forgeq.jobs set max_attempts = 1 where id = $1`, ids[0])
    expect(await timed(worker.stop({ graceMs: 100 }))).toBeLessThan(5_100)
    const counted = await jobOf(db.pool, ids[1]!)
    expect(counted).toMatchObject({
      state: 'retrying',
      attempt: 1,
      error: { code: 'shutdown' },
      attempts: [{ outcome: 'failed' }],
    })
    expect(Date.parse(counted.runAt)).toBeLessThanOrEqual(Date.now())
    end.open()
    await db.sql(`delete from forgeq.jobs`)
  })

  test('ends once however often it is told', async () => {
    const end = gate()
    const { worker } = await busy(() => end.promise)
    const stops = [worker.stop(), worker.stop(), worker.stop({ graceMs: 1 })]
    end.open()
    await Promise.all(stops)
    await worker.stop()
    expect(worker.log.filter(({ msg }) => msg === 'job completed')).toHaveLength(5 + 3)
    expect(worker.log.filter(({ level }) => (level as number) >= 40)).toEqual([])
    await db.sql(`delete from forgeq.jobs`)
  })

  test('starts nothing that a claim brings after it was told', async () => {
    let runs = 0
    const worker = await start([handler('test', () => void runs++)])
    await endOf(db.pool, await insertJob(db.pool))
    runs = 0
    // The claim waits behind this lock until the worker has been told to stop.
    const locked = gate()
    const release = gate()
    const holding = db.pool.transaction(async (tx) => {
      await tx.query({ name: 't', text: 'select * from forgeq.session_starts for update', values: [], prepared: '' })
      locked.open()
      await release.promise
    })
    await locked.promise
    const id = await insertJob(db.pool)
    await until(
      'the claim waits',
      async () =>
        (
          await db.sql(
            `select from pg_stat_activity where wait_event_type = 'Lock' and application_name like '%claims'`,
          )
        ).length > 0,
    )
    const stopping = worker.stop()
    release.open()
    await holding
    await stopping
    expect(runs).toBe(0)
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', attempt: 0 })
    await db.sql(`delete from forgeq.jobs`)
  })
})

describe('a worker whose database is gone when it is stopped', () => {
  let proxy: Proxy
  let pool: DatabasePool
  beforeEach(async () => {
    proxy = await openProxy(db.connection)
    pool = createPool(proxy.connection, { size: 6, purpose: 'test' })
  })
  afterEach(async () => {
    await pool.close()
    await proxy.close()
    await db.sql(`delete from forgeq.jobs`)
  })

  test.each(['cut', 'swallow'] as const)('ends within the grace period and 5 s all the same (%s)', async (how) => {
    const end = gate()
    const { worker } = await busy(() => end.promise, { db: pool, connection: proxy.connection })
    proxy[how]()
    expect(await timed(worker.stop({ graceMs: 300 }))).toBeLessThan(5_300)
    end.open()
  })

  test('writes its outcomes when the database comes back in time', async () => {
    const end = gate()
    const { worker, ids } = await busy(() => end.promise, { db: pool, connection: proxy.connection, leaseMs: 15_000 })
    proxy.cut()
    const stopping = worker.stop({ graceMs: 5_000 })
    end.open()
    await until('a write has failed', () =>
      worker.log.some(({ msg }) => msg === 'outcomes were not answered for; repeating them'),
    )
    proxy.heal()
    await stopping
    expect((await states(ids)).find(({ state }) => state === 'completed')).toMatchObject({ attempt: 1, n: 3 })
    for (const id of ids) expect((await jobOf(db.pool, id)).state).toMatch(/completed|pending/)
  })

  test.each(['cut', 'swallow'] as const)(
    'as a library, with its loops, ends in that time too, and so does its client (%s)',
    async (how) => {
      const { host, port, user, password, database } = proxy.connection
      const forgeq = new ForgeQ({
        databaseUrl: `postgres://${user}:${encodeURIComponent(password!)}@${host}:${port}/${database}?sslmode=disable`,
      })
      const end = gate()
      const started = gate()
      const job = defineJob({
        type: 'library',
        run: async () => {
          started.open()
          await end.promise
        },
      })
      const worker = forgeq.worker({ jobs: [job] })
      await worker.start()
      await forgeq.enqueue(job, {})
      await started.promise
      proxy[how]()
      expect(await timed(worker.stop({ grace: '300ms' }))).toBeLessThan(5_300)
      expect(await timed(forgeq.close())).toBeLessThan(3_000)
      end.open()
    },
  )

  test('cannot start, says so, leaves nothing behind, and can be started later', async () => {
    proxy.cut()
    const { host, port, user, password, database } = proxy.connection
    const forgeq = new ForgeQ({
      databaseUrl: `postgres://${user}:${encodeURIComponent(password!)}@${host}:${port}/${database}?sslmode=disable`,
    })
    const job = defineJob({ type: 'late', run: () => 'ran' })
    const worker = forgeq.worker({ jobs: [job], loops: false })
    await expect(worker.start()).rejects.toMatchObject({ code: 'unavailable' })
    await worker.stop()
    proxy.heal()
    await worker.start()
    const { id } = await forgeq.enqueue(job, {})
    expect(await forgeq.result(job, id, { timeout: '10s' })).toMatchObject({ state: 'completed', result: 'ran' })
    await worker.stop()
    await forgeq.close()
  })
})
