import { afterEach, describe, expect, test } from 'vitest'
import { createScheduler } from '../../src/loops/scheduler.ts'
import type { Loop, LoopContext } from '../../src/loops/index.ts'
import { pauseQueue } from '../../src/store/queues.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, jobOf } from '../support/factory.ts'
import { loopContext } from '../support/loops.ts'
import { endOf, gate, jobIn, until } from '../support/worker.ts'

const db = testDatabase()
const loops: Loop[] = []
afterEach(async () => {
  await Promise.all(loops.splice(0).map((loop) => loop.stop()))
  await db.sql(`delete from forgeq.jobs`)
})
function scheduler(fields: Partial<LoopContext> = {}): Loop {
  const loop = createScheduler(loopContext(db.pool, fields))
  loops.push(loop)
  return loop
}
const pendingSince = async (id: string) => {
  const job = await jobIn(db.pool, id, 'pending')
  return Date.now() - Date.parse(job.runAt)
}

describe('the scheduler', () => {
  test('makes scheduled and retrying jobs pending when they are due, with their priority and place, and wakes their queues', async () => {
    const woken: string[][] = []
    const scheduled = await insertJob(db.pool, { state: 'scheduled', dueInMs: -5, queue: 'a', priority: 7 })
    const retrying = await insertJob(db.pool, { state: 'retrying', dueInMs: -1, queue: 'b', attempt: 1 })
    const later = await insertJob(db.pool, { state: 'scheduled', dueInMs: 60_000 })
    const before = await jobOf(db.pool, scheduled)
    expect(await scheduler({ wakeWorkers: (queues) => void woken.push([...queues].sort()) }).runOnce()).toBe(2)
    expect(await jobOf(db.pool, scheduled)).toEqual({ ...before, state: 'pending' })
    expect(await jobOf(db.pool, retrying)).toMatchObject({ state: 'pending', attempt: 1 })
    expect(await jobOf(db.pool, later)).toMatchObject({ state: 'scheduled' })
    expect(woken).toEqual([['a', 'b']])
  })

  test('wakes when the next job is due, and never before', async () => {
    scheduler().start()
    const ids = await Promise.all([300, 450, 700].map((dueInMs) => insertJob(db.pool, { state: 'scheduled', dueInMs })))
    for (const id of ids) {
      const lateMs = await pendingSince(id)
      expect(lateMs).toBeGreaterThanOrEqual(0)
      expect(lateMs).toBeLessThan(1_000)
    }
  })

  test('ends jobs that were not started by their time, whatever state they wait in', async () => {
    const ids = [
      await insertJob(db.pool, { state: 'pending', expiresInMs: -1 }),
      await insertJob(db.pool, { state: 'scheduled', dueInMs: 60_000, expiresInMs: -1 }),
      await insertJob(db.pool, { state: 'scheduled', dueInMs: -10, expiresInMs: -1 }),
    ]
    const running = await insertJob(db.pool, { state: 'running', expiresInMs: -1 })
    const retrying = await insertJob(db.pool, { state: 'retrying', attempt: 1, dueInMs: 60_000, expiresInMs: -1 })
    const inTime = await insertJob(db.pool, { expiresInMs: 60_000 })
    await scheduler().runOnce()
    for (const id of ids)
      expect(await jobOf(db.pool, id)).toMatchObject({
        state: 'cancelled',
        reason: 'expired',
        attempt: 0,
        attempts: [],
      })
    expect(await jobOf(db.pool, running)).toMatchObject({ state: 'running' })
    expect(await jobOf(db.pool, retrying)).toMatchObject({ state: 'retrying' }) // it was started in time
    expect(await jobOf(db.pool, inTime)).toMatchObject({ state: 'pending' })
  })

  test('does not end a job that was started in time, however long it waits for its next run', async () => {
    const retrying = await insertJob(db.pool, { state: 'retrying', attempt: 1, dueInMs: -1, expiresInMs: -1 })
    const back = await insertJob(db.pool, { attempt: 1, lost: 1, expiresInMs: -1 })
    const snoozed = await insertJob(db.pool, { state: 'scheduled', dueInMs: 60_000, expiresInMs: -1 })
    await db.sql(`update forgeq.jobs set attempts = '[{"attempt": 1, "outcome": "snoozed"}]' where id = $1`, snoozed)
    await scheduler().runOnce()
    await scheduler().runOnce()
    expect(await jobOf(db.pool, retrying)).toMatchObject({ state: 'pending' })
    expect(await jobOf(db.pool, back)).toMatchObject({ state: 'pending' })
    expect(await jobOf(db.pool, snoozed)).toMatchObject({ state: 'scheduled' })
  })

  test('ends what has expired although one of them cannot be written', async () => {
    const good = await insertJob(db.pool, { expiresInMs: -2 })
    const bad = await insertJob(db.pool, { expiresInMs: -1, tags: ['unwritable'] })
    await db.sql(`alter table forgeq.finished_jobs add constraint for_this_test check (tags <> '{unwritable}')`)
    const one = scheduler()
    expect(await one.runOnce()).toBe(1)
    expect(await jobOf(db.pool, good)).toMatchObject({ state: 'cancelled', reason: 'expired' })
    expect(await jobOf(db.pool, bad)).toMatchObject({ state: 'pending' })
    await db.sql(`alter table forgeq.finished_jobs drop constraint for_this_test`)
  })

  test('wakes when a job expires', async () => {
    scheduler().start()
    const id = await insertJob(db.pool, { expiresInMs: 250 })
    const job = await endOf(db.pool, id, { withinMs: 2_000 })
    expect(job).toMatchObject({ state: 'cancelled', reason: 'expired' })
    expect(Date.parse(job.finishedAt!)).toBeGreaterThanOrEqual(Date.parse(job.expiresAt!))
  })

  test('ends pauses whose time is over, and wakes their queues', async () => {
    const woken = gate<string[]>()
    await pauseQueue(db.pool, 'over', { until: new Date(Date.now() + 200).toISOString() })
    await pauseQueue(db.pool, 'on', { until: new Date(Date.now() + 60_000).toISOString() })
    scheduler({ wakeWorkers: (queues) => [...queues].length > 0 && woken.open([...queues]) }).start()
    expect(await woken.promise).toEqual(['over'])
    expect(await db.sql(`select name from forgeq.queues where paused_at is not null`)).toEqual([{ name: 'on' }])
  })

  test('goes on at once after a full batch', async () => {
    await db.sql(
      `insert into forgeq.jobs (id, queue, type, state, run_at, created_at, payload, max_attempts)
       select gen_random_uuid(), 'many', 'test', 'scheduled', clock_timestamp(), clock_timestamp(), '{}', 25 from generate_series(1, 2500)`,
    )
    const loop = scheduler()
    expect(await loop.runOnce()).toBe(1_000)
    loop.start()
    await until(
      'all are pending',
      async () => (await db.sql(`select from forgeq.jobs where state = 'scheduled' limit 1`)).length === 0,
      { withinMs: 1_500 },
    )
  })

  test('is not held up by a due job that somebody has locked', async () => {
    const locked = await insertJob(db.pool, { state: 'scheduled', dueInMs: -60_000 })
    const free = await insertJob(db.pool, { state: 'scheduled', dueInMs: -1 })
    await db.pool.transaction(async (tx) => {
      await tx.query({
        name: 't',
        text: 'select * from forgeq.jobs where id = $1 for update',
        values: [locked],
        prepared: '',
      })
      expect(await scheduler().runOnce()).toBe(1)
      expect(await jobOf(db.pool, free)).toMatchObject({ state: 'pending' })
    })
    expect(await scheduler().runOnce()).toBe(1)
    expect(await jobOf(db.pool, locked)).toMatchObject({ state: 'pending' })
  })

  test('does each job once, however many schedulers there are', async () => {
    const handled: number[] = []
    await db.sql(
      `insert into forgeq.jobs (id, queue, type, state, run_at, created_at, payload, max_attempts)
       select gen_random_uuid(), 'shared', 'test', 'scheduled', clock_timestamp(), clock_timestamp(), '{}', 25 from generate_series(1, 900)`,
    )
    await Promise.all(Array.from({ length: 6 }, async () => handled.push(await scheduler().runOnce())))
    expect(handled.reduce((a, b) => a + b, 0)).toBe(900)
  })
})
