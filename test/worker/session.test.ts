import { afterEach, describe, expect, test } from 'vitest'
import { createRecovery } from '../../src/loops/recovery.ts'
import { createScheduler } from '../../src/loops/scheduler.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, jobOf } from '../support/factory.ts'
import { loopContext } from '../support/loops.ts'
import { openProxy, type Proxy } from '../support/proxy.ts'
import { createPool, type DatabasePool } from '../../src/store/database.ts'
import { endOf, gate, handler, handlers, jobIn, testWorker, until, untilAborted } from '../support/worker.ts'

const db = testDatabase()
const worker = (
  fields: Partial<Parameters<typeof testWorker>[0]> & Pick<Parameters<typeof testWorker>[0], 'handlers'>,
) => testWorker({ db: db.pool, connection: db.connection, ...fields })
const sessionOf = async (id: string) =>
  (
    await db.sql<{ end_reason: string | null; beaten: boolean }>(
      `select end_reason, last_heartbeat_at > started_at + interval '50 ms' as beaten from forgeq.sessions where id = $1`,
      id,
    )
  )[0]
/** Its session, once a heartbeat has come: at these short leases the first one may be over before its thread is there. */
const beaten = (one: { id: string }): Promise<string> =>
  until('a heartbeat has come', async () => {
    const { id } = one
    return id !== '' && (await sessionOf(id))?.beaten ? id : undefined
  })

let proxy: Proxy | undefined
let pool: DatabasePool | undefined
afterEach(async () => {
  await pool?.close()
  await proxy?.close()
  pool = proxy = undefined
})

/** Keeps the main thread busy as no handler should. */
function block(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

describe('a worker that keeps its session', () => {
  test('does not lose its leases while a handler blocks the event loop for longer than the lease', async () => {
    const recovery = createRecovery(loopContext(db.pool, { recoveryIntervalMs: 200 }))
    const other = gate()
    const blocked = await worker({
      leaseMs: 1_500,
      heartbeatMs: 300,
      handlers: handlers(
        handler('blocking', () => block(4_000)),
        handler('beside', (_, job) => Promise.race([other.promise, untilAborted(job.signal)])),
      ),
    })
    const session = await beaten(blocked)
    const beside = await insertJob(db.pool, { type: 'beside' })
    await jobIn(db.pool, beside, 'running')
    const blocking = await insertJob(db.pool, { type: 'blocking' })
    expect(await endOf(db.pool, blocking)).toMatchObject({ state: 'completed', attempt: 1, worker: { id: session } })
    expect(await recovery.runOnce()).toBe(0)
    other.open()
    expect(await endOf(db.pool, beside)).toMatchObject({ state: 'completed', attempt: 1, worker: { id: session } })
  })

  test('gives it up when the main thread has not answered for the stall limit, and says which handler ran', async () => {
    const blocked = await worker({
      leaseMs: 1_500,
      heartbeatMs: 200,
      stallLimitMs: 1_000,
      handlers: handlers(handler('blocking', () => block(2_500))),
    })
    const session = await beaten(blocked)
    await insertJob(db.pool, { type: 'blocking' })
    expect(await blocked.ended).toBe('stalled: the main thread did not answer while blocking ran')
    expect((await sessionOf(session))?.end_reason).toBe(
      'stalled: the main thread has not answered for 1 s while blocking ran',
    )
    await until('it has registered anew', () => blocked.id !== '' && blocked.id !== session)
  })

  test('gives it up also when the session was lost while the main thread was blocked', async () => {
    const blocked = await worker({
      leaseMs: 60_000,
      heartbeatMs: 100,
      stallLimitMs: 2_500,
      handlers: handlers(handler('blocking_lost', () => setTimeout(() => block(5_000), 50).unref())),
    })
    const session = await beaten(blocked)
    await insertJob(db.pool, { type: 'blocking_lost' })
    // The database's part of it goes on while this thread, which is the worker's too, is blocked.
    void db.sql(
      `with later as (select pg_sleep(1)) update forgeq.sessions set ended_at = clock_timestamp(), end_reason = 'by hand' from later where id = $1`,
      session,
    )
    expect(await blocked.ended).toMatch(/^stalled: the main thread did not answer/)
  })

  test('connects anew when its connection breaks', async () => {
    const id = await beaten(await worker({ handlers: handlers(handler('test', () => 1)), leaseMs: 1_500 }))
    for (let n = 0; n < 3; n++) {
      await db.sql(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like '%heartbeat'`,
      )
      const [before] = await db.sql<{ at: string }>(
        `select last_heartbeat_at as at from forgeq.sessions where id = $1`,
        id,
      )
      await until(
        'another heartbeat has come',
        async () =>
          (await db.sql(`select from forgeq.sessions where id = $1 and last_heartbeat_at > $2`, id, before!.at))
            .length === 1,
        { withinMs: 1_300 },
      )
    }
    expect((await sessionOf(id))?.end_reason).toBeNull()
  })
})

describe('a worker that has lost its session', () => {
  test('aborts its handlers, registers anew, and its late outcome is refused and counted', async () => {
    const end = gate()
    let reason: unknown
    const lost = await worker({
      handlers: handlers(
        handler('test', (_, job) => {
          job.signal.addEventListener('abort', () => (reason = job.signal.reason))
          return end.promise
        }),
      ),
    })
    const session = lost.id
    const id = await insertJob(db.pool)
    await jobIn(db.pool, id, 'running')
    await db.sql(`update forgeq.sessions set expires_at = clock_timestamp() - interval '1 s' where id = $1`, session)
    expect(await createRecovery(loopContext(db.pool)).runOnce()).toBe(1)
    await until('it has registered anew', () => lost.id !== '' && lost.id !== session)
    expect(reason).toMatchObject({ reason: 'lease_lost', code: 'lease_lost' })
    expect(lost.log).toContainEqual(
      expect.objectContaining({ msg: 'session lost; registering anew', worker_id: session }),
    )
    end.open()
    await until('the late outcome is refused', () =>
      lost.log.some(({ msg }) => msg === 'outcome refused: the lease was lost'),
    )
    expect(await lost.metricsText()).toContain('forgeq_lease_lost_total 1')
    // Leased anew while the first run went on, it was put off for a second.
    const scheduler = createScheduler(loopContext(db.pool))
    await until(
      'it runs again',
      async () => (await scheduler.runOnce()) + 1 && (await jobOf(db.pool, id)).state === 'completed',
    )
    const job = await jobOf(db.pool, id)
    expect(job).toMatchObject({ state: 'completed', attempt: 2, lost: 1, worker: { id: lost.id } })
    expect(job.attempts).toMatchObject([
      { attempt: 1, outcome: 'lost', worker: { id: session } },
      { attempt: 2, outcome: 'completed' },
    ])
  })

  test('by its own clock starts nothing more under it, although no timer has had its turn', async () => {
    proxy = await openProxy(db.connection)
    const cut = await worker({
      connection: proxy.connection, // the heartbeat's; statements go straight
      concurrency: 1,
      leaseMs: 1_000,
      polling: true, // within the time of its lease
      pollMs: 20,
      heartbeatMs: 200,
      handlers: handlers(handler('test', (payload) => payload.block && block(1_500))),
    })
    const session = await beaten(cut)
    // Fast runs first, so that there is a buffer behind the one that blocks.
    for (let n = 0; n < 5; n++) await endOf(db.pool, await insertJob(db.pool))
    const [first] = await db.sql<{ id: string }>(
      `insert into forgeq.jobs (id, queue, type, state, run_at, created_at, payload, max_attempts)
       select gen_random_uuid(), 'default', 'test', 'pending', clock_timestamp(), clock_timestamp(), payload::jsonb, 25
         from unnest(array['{"block": true}', '{}', '{}', '{}']) as payload returning id`,
    )
    proxy.cut()
    const blocking = await endOf(db.pool, first!.id)
    expect(blocking.worker).toMatchObject({ id: session })
    await until('the others have run', async () => (await db.sql(`select from forgeq.jobs`)).length === 0)
    const others = await db.sql<{ session_id: string }>(
      `select session_id from forgeq.finished_jobs order by finished_at desc limit 3`,
    )
    expect(others.filter(({ session_id }) => session_id === session)).toEqual([])
    proxy.heal()
  })

  test('aborts its handlers when the network swallows everything, and works again although no connection was ever closed', async () => {
    proxy = await openProxy(db.connection)
    const connection = { ...proxy.connection, answerWithinMs: 1_000, connectionTimeoutMillis: 1_000 }
    pool = createPool(connection, { size: 4, purpose: 'test' })
    let reason: unknown
    const away = await worker({
      db: pool,
      connection,
      leaseMs: 1_000,
      heartbeatMs: 200,
      handlers: handlers(
        handler('waiting', (_, job) => untilAborted(job.signal).catch((error) => void (reason = error))),
        handler('test', () => 1),
      ),
    })
    const session = await beaten(away)
    await jobIn(db.pool, await insertJob(db.pool, { type: 'waiting' }), 'running')
    proxy.swallow()
    await until('the handler is aborted', () => reason)
    expect(reason).toMatchObject({ reason: 'lease_lost' })
    expect(away.id).toBe('')
    proxy.heal()
    expect(await endOf(db.pool, await insertJob(db.pool))).toMatchObject({ state: 'completed', attempt: 1 })
    expect(away.id).not.toBe(session)
  })

  test('waits for a database that is away, and works again when it is back', async () => {
    proxy = await openProxy(db.connection)
    pool = createPool(proxy.connection, { size: 4, purpose: 'test' })
    const away = await worker({
      db: pool,
      connection: proxy.connection,
      leaseMs: 600,
      heartbeatMs: 150,
      handlers: handlers(handler('test', () => 1)),
    })
    const session = away.id
    await endOf(db.pool, await insertJob(db.pool))
    proxy.cut()
    await until('its session is lost', () => away.id === '')
    const id = await insertJob(db.pool)
    proxy.heal()
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', attempt: 1 })
    expect(away.id).not.toBe(session)
  })
})
