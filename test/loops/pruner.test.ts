import { beforeEach, describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { createPruner, wantedPartitions } from '../../src/loops/pruner.ts'
import { keepingOf } from '../../src/queue/create.ts'
import { cancelWaitingJob, readJob } from '../../src/store/jobs.ts'
import { type Completed, completeJobs } from '../../src/store/complete.ts'
import { addPartition, listPartitions } from '../../src/store/retention.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, insertSession } from '../support/factory.ts'
import { held } from '../support/lease.ts'
import { loopContext } from '../support/loops.ts'
import { until } from '../support/worker.ts'

const db = testDatabase()
const keeping = keepingOf(DEFAULTS)
const pruner = () => createPruner(loopContext(db.pool))
const DAY_MS = 86_400_000
const day = (ahead: number) => new Date(Date.now() + ahead * DAY_MS).toISOString().slice(0, 10)

/** A finished job whose last day is so far ahead; negative: in the past. */
async function finishedJob(ahead: number): Promise<string> {
  const id = await insertJob(db.pool)
  await cancelWaitingJob(db.pool, id, keeping)
  await db.sql(`update forgeq.finished_jobs set delete_after = $2::date where id = $1`, id, day(ahead))
  return id
}
const partitions = async () => (await listPartitions(db.pool)).partitions
/** A partition for one day of the past, as one that was made in time would be there. */
async function pastPartition(ahead: number): Promise<string> {
  const name = `finished_jobs_past_${-ahead}`
  await db.sql(
    `create table forgeq.${name} partition of forgeq.finished_jobs for values from ('${day(ahead)}') to ('${day(ahead + 1)}')`,
  )
  return name
}

describe('the pruner', () => {
  beforeEach(async () => void (await pruner().runOnce()))

  test('keeps partitions for every day on which a job that ends now or soon may have to go', async () => {
    const there = await partitions()
    for (const keptDays of [7, 90]) {
      for (const ahead of [0, 1, 9]) {
        const wanted = day(keptDays + ahead)
        expect(there.filter(({ from, to }) => from <= wanted && wanted < to)).toHaveLength(1)
      }
    }
  })

  test('a job whose partition is attached just as it ends finds its place, and has not failed', async () => {
    const kept = day(7)
    const [partition] = (await partitions()).filter(({ from, to }) => from <= kept && kept < to)
    await db.sql(`drop table forgeq."${partition!.name}"`)
    const { id, token, sessionId } = await held(db.pool)
    let ending: Promise<unknown> = Promise.resolve()
    await db.pool.transaction(async (tx) => {
      expect(await addPartition(tx, partition!)).toBe(true)
      const run = { id, token, leaseNo: 1, resultJson: '1', ranMs: 1 }
      ending = completeJobs(db.pool, { sessionId, worker: { id: sessionId, name: 'w' } }, [run], keeping)
      await until('it waits for the partition', async () => {
        const [{ n }] = (await db.sql(`select count(*)::int as n from pg_locks where not granted`)) as [{ n: number }]
        return n > 0
      })
    })
    expect((await (ending as Promise<Completed>)).has(id)).toBe(true)
    expect(await db.sql(`select count(*)::int as n from forgeq."${partition!.name}" where id = $1`, id)).toEqual([
      { n: 1 },
    ])
  })

  test('drops whole days that are over, and keeps the day that is not', async () => {
    const over = await pastPartition(-1)
    const today = await pastPartition(0)
    const gone = await finishedJob(-1)
    const kept = await finishedJob(0)
    expect(await pruner().runOnce()).toBe(1)
    const names = (await partitions()).map(({ name }) => name)
    expect(names).not.toContain(over)
    expect(names).toContain(today)
    expect(await readJob(db.pool, gone)).toBeUndefined()
    expect(await readJob(db.pool, kept)).toMatchObject({ state: 'cancelled' })
  })

  test('takes what is over out of the default partition, where days without a partition of their own lie', async () => {
    const gone = await finishedJob(-400)
    const kept = await finishedJob(3_000)
    expect(await pruner().runOnce()).toBe(1)
    expect(await readJob(db.pool, gone)).toBeUndefined()
    expect(await readJob(db.pool, kept)).toBeDefined()
  })

  test('gives up behind an open reader without holding up those that finish, and drops the day later', async () => {
    const over = await pastPartition(-3)
    await finishedJob(-3)
    const names = async () => (await partitions()).map(({ name }) => name)
    await db.pool.transaction(async (reader) => {
      await reader.query({ name: 't', text: 'select count(*) from forgeq.finished_jobs', values: [], prepared: '' })
      const pruning = pruner().runOnce()
      const began = performance.now()
      const ended = finishedJob(5)
      await Promise.all([pruning, ended])
      expect(performance.now() - began).toBeLessThan(1_500)
      expect(await names()).toContain(over)
    })
    await pruner().runOnce()
    expect(await names()).not.toContain(over)
  })

  test('forgets keys whose time is over and keeps those of live jobs', async () => {
    await db.sql(`insert into forgeq.idempotency_keys (key, job_id, meaning, state, expires_at) values
      ('over', gen_random_uuid(), 'm', 'completed', clock_timestamp() - interval '1 s'),
      ('not yet', gen_random_uuid(), 'm', 'completed', clock_timestamp() + interval '1 h'),
      ('alive', gen_random_uuid(), 'm', null, null)`)
    expect(await pruner().runOnce()).toBe(1)
    expect(await db.sql(`select key from forgeq.idempotency_keys order by key`)).toEqual([
      { key: 'alive' },
      { key: 'not yet' },
    ])
  })

  test('forgets sessions a day after their end, with their notes, but none that still holds a job', async () => {
    const old = await insertSession(db.pool, { ended: 'stopped', endedMsAgo: DAY_MS + 60_000, startedUpto: 3 })
    const holding = await insertSession(db.pool, { ended: 'stopped', endedMsAgo: DAY_MS + 60_000, startedUpto: 3 })
    await insertJob(db.pool, { state: 'running', session: holding })
    const fresh = await insertSession(db.pool, { ended: 'stopped', endedMsAgo: 60_000, startedUpto: 3 })
    expect(await pruner().runOnce()).toBe(1)
    const left = async (table: string, column: string) =>
      (await db.sql<{ id: string }>(`select ${column} as id from forgeq.${table}`)).map(({ id }) => id)
    for (const ids of [await left('sessions', 'id'), await left('session_starts', 'session_id')]) {
      expect(ids).not.toContain(old)
      expect(ids).toEqual(expect.arrayContaining([holding, fresh]))
    }
  })

  test('forgets the counts of minutes that nobody asks for any more', async () => {
    await db.sql(`insert into forgeq.count_minutes (minute, queue, type, event, n) values
      (clock_timestamp() - interval '9 days', 'q', 't', 'completed', 1), (clock_timestamp() - interval '1 day', 'q', 't', 'completed', 1)`)
    await pruner().runOnce()
    expect(await db.sql(`select from forgeq.count_minutes`)).toHaveLength(1)
  })

  test('works beside others: partitions are made once', async () => {
    const before = await partitions()
    await Promise.all([1, 2, 3, 4].map(() => pruner().runOnce()))
    expect(await partitions()).toEqual(before)
  })
})

describe('the partitions that are wanted', () => {
  test.each([
    ['a day', 1],
    ['a week', 7],
    ['99 days, where days become weeks', 99],
    ['a year', 365],
  ])('never overlap and leave no gap when jobs are kept for %s', (_, days) => {
    const kept = days * DAY_MS
    for (let offset = 0; offset < 14; offset++) {
      const today = new Date(Date.parse('2026-11-25') + offset * DAY_MS).toISOString().slice(0, 10)
      const wanted = wantedPartitions(today, { completedMs: kept, cancelledMs: kept, deadMs: kept })
      for (const [index, { from, to }] of wanted.entries()) {
        expect(from < to).toBe(true)
        if (index > 0) expect(wanted[index - 1]!.to <= from).toBe(true)
      }
      const lastDay = new Date(Date.parse(today) + kept).toISOString().slice(0, 10)
      expect(wanted.filter(({ from, to }) => from <= lastDay && lastDay < to)).toHaveLength(1)
    }
  })
})
