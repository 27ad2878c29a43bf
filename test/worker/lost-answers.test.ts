import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createRecovery } from '../../src/loops/recovery.ts'
import { createPool, type DatabasePool } from '../../src/store/database.ts'
import { pauseQueue, resumeQueue } from '../../src/store/queues.ts'
import { requestCancel } from '../../src/store/jobs.ts'
import type { Handler } from '../../src/worker/handler.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, jobOf } from '../support/factory.ts'
import { loopContext } from '../support/loops.ts'
import { type Loss, openProxy, type Proxy } from '../support/proxy.ts'
import { endOf, gate, handler, handlers, jobIn, testWorker, until } from '../support/worker.ts'

const db = testDatabase()
let proxy: Proxy
let pool: DatabasePool
beforeEach(async () => {
  proxy = await openProxy(db.connection)
  pool = createPool(proxy.connection, { size: 6, purpose: 'test' })
})
afterEach(async () => {
  await pool.close()
  await proxy.close()
})
const start = (all: Handler[], fields: object = {}) =>
  testWorker({ db: pool, connection: proxy.connection, handlers: handlers(...all), ...fields })

const losses: Loss[] = ['request', 'meanwhile', 'answer']

describe('the answer to a claim', () => {
  test.each(losses)('is lost (%s), and its jobs run all the same, at their first attempt', async (loss) => {
    const runs = new Map<string, number>()
    const worker = await start([handler('test', (_, job) => void runs.set(job.id, (runs.get(job.id) ?? 0) + 1))])
    await endOf(db.pool, await insertJob(db.pool))
    proxy.lose('forgeq:claim_jobs', loss)
    const ids = await Promise.all(Array.from({ length: 20 }, () => insertJob(db.pool)))
    for (const id of ids)
      expect(await endOf(db.pool, id, { withinMs: 5_000 })).toMatchObject({ state: 'completed', attempt: 1, lost: 0 })
    expect(proxy.losses).toBe(1)
    for (const id of ids) expect(runs.get(id)).toBe(1)
    expect(worker.log).toContainEqual(expect.objectContaining({ msg: 'leasing failed; trying again' }))
  })

  test('is lost three times at no cost; from then on each loss counts', async () => {
    let ran = 0
    await start([handler('test', () => void ran++)])
    await endOf(db.pool, await insertJob(db.pool))
    ran = 0
    proxy.lose('forgeq:claim_jobs', 'answer', 3)
    const thrice = await insertJob(db.pool)
    expect(await endOf(db.pool, thrice)).toMatchObject({ state: 'completed', attempt: 1, lost: 0 })
    proxy.lose('forgeq:claim_jobs', 'answer', 4)
    const often = await insertJob(db.pool)
    await until('four answers were lost', () => proxy.losses === 7)
    const recovery = createRecovery(loopContext(db.pool))
    await until('the fourth is recovered', async () => {
      await recovery.runOnce()
      const { state, lost } = await jobOf(db.pool, often)
      return lost === 1 || state === 'completed'
    })
    expect(await endOf(db.pool, often)).toMatchObject({ state: 'completed', attempt: 2, lost: 1 })
    expect(ran).toBe(2)
  })

  test('is lost for a job that somebody cancels meanwhile, and it ends cancelled', async () => {
    let ran = 0
    await start([handler('test', () => void ran++)])
    await endOf(db.pool, await insertJob(db.pool))
    ran = 0
    // The sync cannot come through before the cancel has.
    proxy.lose('forgeq:claim_jobs', 'answer')
    const id = await insertJob(db.pool)
    await until('it is leased and nobody knows', async () => proxy.losses === 1)
    const asked = await requestCancel(db.pool, id)
    const job = await endOf(db.pool, id)
    expect(job.state).toBe(asked ? 'cancelled' : 'completed')
    expect(ran).toBe(asked ? 0 : 1)
  })

  test('is lost when its backend is ended by the server, and its jobs run', async () => {
    await start([handler('test', () => 1)])
    await endOf(db.pool, await insertJob(db.pool))
    for (let n = 0; n < 5; n++) {
      const ended = await db.sql(
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name like '%claims'`,
      )
      const id = await insertJob(db.pool)
      expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', attempt: 1, lost: 0 })
      expect(ended.length).toBeLessThanOrEqual(1)
    }
  })

  test('is waited for until its backend is gone: a claim that commits late is given back too', async () => {
    const worker = await start([handler('test', () => 1)])
    await endOf(db.pool, await insertJob(db.pool))
    const id = await insertJob(db.pool, { state: 'scheduled', dueInMs: 60_000 })
    // A lock on the notes of starts holds the claim up after it has taken its jobs.
    const locked = gate()
    const release = gate()
    const holding = db.pool.transaction(async (tx) => {
      await tx.query({
        name: 't',
        text: `select * from forgeq.session_starts where session_id = $1 for update`,
        values: [worker.id],
        prepared: '',
      })
      locked.open()
      await release.promise
    })
    await locked.promise
    proxy.lose('forgeq:claim_jobs', 'meanwhile')
    await db.sql(`update forgeq.jobs set state = 'pending', run_at = clock_timestamp() where id = $1`, id)
    await until('the claim has lost its connection', () => proxy.losses === 1)
    await sleep(200)
    release.open()
    await holding
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', attempt: 1, lost: 0 })
  })
})

describe('the answer to an outcome', () => {
  const statements = [
    ['completed', 'forgeq:finish_jobs', () => 1, { state: 'completed', attempt: 1 }, {}],
    ['completed with a key', 'forgeq:finish_keyed_jobs', () => 1, { state: 'completed', attempt: 1 }, { key: 'k' }],
    [
      'failed',
      'forgeq:requeue_jobs',
      () => {
        throw new Error('no')
      },
      { state: 'retrying', attempt: 1, attempts: [{ attempt: 1, outcome: 'failed' }] },
      {},
    ],
  ] as const
  test.each(statements.flatMap(([name, ...one]) => losses.map((loss) => [name, loss, ...one] as const)))(
    'that is %s (%s) is lost and repeated, and is accepted once',
    async (_, loss, statement, run, expected, fields) => {
      let runs = 0
      const worker = await start([
        handler('test', () => {
          runs++
          return run()
        }),
      ])
      proxy.lose(statement, loss)
      const id = await insertJob(db.pool, { ...fields, ...('key' in fields && { key: `k-${loss}` }) })
      const job = await jobIn(db.pool, id, ['completed', 'retrying'])
      expect(job).toMatchObject(expected)
      await until('the worker has its verdict', () =>
        worker.log.some(({ msg }) => msg === 'job completed' || msg === 'job failed'),
      )
      expect(proxy.losses).toBe(1)
      expect(runs).toBe(1)
      expect(worker.log.map(({ msg }) => msg)).not.toContain('outcome refused: the lease was lost')
      expect(await jobOf(db.pool, id)).toMatchObject(expected)
    },
  )

  test('that is a release is lost and repeated without a word of a lost lease', async () => {
    const end = gate()
    let hold = false
    const worker = await start([handler('test', () => (hold ? end.promise : undefined))], {
      concurrency: 1,
      queues: { back: null },
    })
    for (let n = 0; n < 5; n++) await endOf(db.pool, await insertJob(db.pool, { queue: 'back' }))
    hold = true
    const ids: string[] = []
    for (let n = 0; n < 3; n++) ids.push(await insertJob(db.pool, { queue: 'back' }))
    await Promise.all(ids.map((id) => jobIn(db.pool, id, 'running')))
    proxy.lose('forgeq:requeue_jobs', 'answer')
    await pauseQueue(db.pool, 'back', {})
    for (const id of ids.slice(1)) expect(await jobIn(db.pool, id, 'pending')).toMatchObject({ attempt: 0 })
    await until('the worker has its verdict', () => worker.log.filter(({ msg }) => msg === 'handed back').length === 2)
    expect(await worker.metricsText()).toContain('forgeq_lease_lost_total 0')
    end.open()
    hold = false
    await resumeQueue(db.pool, 'back')
    for (const id of ids) expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', attempt: 1 })
  })

  test('of a run whose lease was lost meanwhile is a refusal, counted and logged', async () => {
    const end = gate()
    const worker = await start([handler('test', () => end.promise)])
    const id = await insertJob(db.pool)
    await jobIn(db.pool, id, 'running')
    await db.sql(`update forgeq.jobs set token = token + 1 where id = $1`, id)
    end.open()
    await until('it is refused', () =>
      worker.log.some(({ msg, job_id }) => msg === 'outcome refused: the lease was lost' && job_id === id),
    )
    expect(await worker.metricsText()).toContain('forgeq_lease_lost_total 1')
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'running' })
  })
})

test('an outcome that the store cannot take ends its own job dead and does not harm its neighbours', async () => {
  const bad = await insertJob(db.pool, { type: 'bad' })
  const good = await Promise.all(Array.from({ length: 30 }, () => insertJob(db.pool, { type: 'good' })))
  const together = gate()
  let waiting = 0
  const meet = async () => {
    if (++waiting === 31) together.open()
    await together.promise
  }
  // A history row of the same id and day is in the way: no result can be stored, whatever it is.
  await db.sql(`alter table forgeq.finished_jobs add constraint no_thirteen check (result is distinct from '13')`)
  try {
    const worker = await start(
      [handler('bad', () => meet().then(() => 13)), handler('good', () => meet().then(() => 1))],
      { concurrency: 31 },
    )
    for (const id of good) expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', attempt: 1 })
    expect(await endOf(db.pool, bad)).toMatchObject({
      state: 'dead',
      reason: 'outcome not storable',
      error: { message: expect.stringContaining('no_thirteen') },
    })
    expect(worker.log).toContainEqual(expect.objectContaining({ msg: 'an outcome could not be stored', job_id: bad }))
  } finally {
    await db.sql(`alter table forgeq.finished_jobs drop constraint no_thirteen`)
  }
})

test('connections that break every 100 ms for five seconds cost no job: each ends once, at most one outcome is accepted', async () => {
  let runs = 0
  const run = handler(
    'storm',
    async (_, job) => {
      runs++
      await sleep(5)
      if (Number.parseInt(job.id.slice(-1), 16) % 4 === 0 && job.attempt === 1) throw new Error('first attempt')
    },
    { backoff: { kind: 'fixed', baseMs: 1, capMs: 1, jitter: 0 } },
  )
  const fields = { concurrency: 10, leaseMs: 1_500, heartbeatMs: 200, queues: { storm: null } }
  const context = loopContext(db.pool, { recoveryIntervalMs: 300 })
  const { createLoops } = await import('../../src/loops/index.ts')
  const loops = createLoops(context)
  for (const loop of loops) loop.start()
  const workers = [await start([run], fields), await start([run], fields)]
  const ids = new Set<string>()
  const deadline = performance.now() + 5_000
  while (performance.now() < deadline) {
    for (let n = 0; n < 20; n++) ids.add(await insertJob(db.pool, { queue: 'storm', type: 'storm' }))
    await db.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and client_addr is not null`,
    )
    await sleep(100)
  }
  await until(
    'all have ended',
    async () =>
      (await db.sql<{ n: number }>(`select count(*)::int as n from forgeq.finished_jobs where queue = 'storm'`))[0]!
        .n >= ids.size,
    { withinMs: 15_000 },
  )
  const rows = await db.sql<{ state: string; jobs: number; n: number; live: number; lost: number }>(
    `select state, count(distinct id)::int as jobs, count(*)::int as n, sum(lost)::int as lost,
            (select count(*)::int from forgeq.jobs where queue = 'storm') as live
       from forgeq.finished_jobs where queue = 'storm' group by state`,
  )
  expect(rows).toEqual([{ state: 'completed', jobs: ids.size, n: ids.size, live: 0, lost: expect.any(Number) }])
  expect(runs).toBeGreaterThanOrEqual(ids.size)
  await Promise.all(workers.map((worker) => worker.stop()))
  for (const loop of loops) await loop.stop()
})
