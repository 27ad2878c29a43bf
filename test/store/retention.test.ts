import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { createPruner, wantedPartitions } from '../../src/loops/pruner.ts'
import { createJobQueue } from '../../src/queue/create.ts'
import { migrate } from '../../src/store/schema.ts'
import { addPartition, dropPartition, listPartitions } from '../../src/store/retention.ts'
import { withCaller } from '../support/caller.ts'
import { testDatabase } from '../support/database.ts'
import { finishJob, insertJob, newJob } from '../support/factory.ts'
import { loopContext } from '../support/loops.ts'

const DAY_MS = 86_400_000
const db = testDatabase()
const fresh = testDatabase({ template: false })
const prune = (on = db) => createPruner(loopContext(on.pool)).runOnce()
const dayAfter = (day: string, days: number) =>
  new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10)
const partitionOf = async (id: string, on = db) => {
  const [row] = await on.sql<{ name: string }>(
    'select part.relname as name from forgeq.finished_jobs as job join pg_class as part on part.oid = job.tableoid where job.id = $1',
    id,
  )
  return row?.name
}
const today = async () => (await listPartitions(db.pool)).today
const nameOf = (day: string) => `finished_jobs_${day.replaceAll('-', '_')}`

/** A day later for the history: its partitions and rows are as old as they will be then. */
async function finishedOn(day: string): Promise<string> {
  const id = await insertJob(db.pool)
  await finishJob(db.pool, id)
  await db.sql('update forgeq.finished_jobs set delete_after = $2 where id = $1', id, day)
  return id
}

describe('the history', () => {
  test('has partitions for the days ahead into which jobs go by how they ended and how long they are kept', async () => {
    const now = await today()
    const ends = async (state: 'completed' | 'dead' | 'cancelled', fields: Parameters<typeof newJob>[0] = {}) => {
      const { job } = await createJobQueue(db.pool, DEFAULTS).enqueue(newJob(fields))
      await finishJob(db.pool, job!.id, { state })
      return partitionOf(job!.id)
    }
    expect(await ends('completed')).toBe(nameOf(dayAfter(now, 7)))
    expect(await ends('cancelled')).toBe(nameOf(dayAfter(now, 7)))
    expect(await ends('dead')).toBe(nameOf(dayAfter(now, 90)))
    expect(await ends('completed', { keepForMs: 8 * DAY_MS })).toBe(nameOf(dayAfter(now, 8)))
    expect(await ends('dead', { keepForMs: 40 * DAY_MS })).toBe('finished_jobs_default')
  })

  test('loses a partition when its last day is over, and nothing before', async () => {
    const now = await today()
    const [gone, last] = [dayAfter(now, -1), now]
    for (const from of [gone, last])
      await db.pool.transaction((tx) => addPartition(tx, { name: nameOf(from), from, to: dayAfter(from, 1) }))
    const [old, current] = [await finishedOn(gone), await finishedOn(last)]
    expect(await partitionOf(old)).toBe(nameOf(gone))
    await prune()
    expect(await partitionOf(old)).toBeUndefined()
    expect(await partitionOf(current)).toBe(nameOf(last))
    expect((await listPartitions(db.pool)).partitions.map(({ name }) => name)).not.toContain(nameOf(gone))
    await db.pool.transaction((tx) => dropPartition(tx, { name: nameOf(last), from: last, to: dayAfter(last, 1) }))
  })

  test('loses what is over in the partition of the days that have none', async () => {
    const now = await today()
    const old = await finishedOn(dayAfter(now, -3))
    const kept = await finishedOn(dayAfter(now, 60))
    expect([await partitionOf(old), await partitionOf(kept)]).toEqual(Array(2).fill('finished_jobs_default'))
    await prune()
    expect([await partitionOf(old), await partitionOf(kept)]).toEqual([undefined, 'finished_jobs_default'])
  })

  test('gets a partition for a day on which rows lie in the default one already, and they move into it', async () => {
    await migrate(fresh.pool)
    const id = await insertJob(fresh.pool)
    await finishJob(fresh.pool, id) // a worker that is faster than the first pass of the pruner
    expect(await partitionOf(id, fresh)).toBe('finished_jobs_default')
    await prune(fresh)
    const { today: now, partitions } = await listPartitions(fresh.pool)
    expect(await partitionOf(id, fresh)).toBe(nameOf(dayAfter(now, 7)))
    expect(partitions.length).toBe(wantedPartitions(now, DEFAULTS.retention).length)
    expect(await fresh.sql('select state from forgeq.all_jobs where id = $1', id)).toEqual([{ state: 'completed' }])
  })

  test('has no day twice and none missing ahead, weeks beyond a hundred days', () => {
    for (const now of ['2026-11-25', '2027-02-28', '2028-02-29']) {
      const wanted = wantedPartitions(now, { completedMs: 7 * DAY_MS, cancelledMs: 98 * DAY_MS, deadMs: 400 * DAY_MS })
      for (const [n, { from, to }] of wanted.entries()) {
        expect(from < to).toBe(true)
        if (n > 0) expect(wanted[n - 1]!.to <= from).toBe(true)
      }
      for (let ahead = 7; ahead <= 21; ahead++) {
        const day = dayAfter(now, ahead)
        expect(wanted.filter(({ from, to }) => from <= day && day < to)).toHaveLength(1)
      }
      expect(wanted.some(({ from, to }) => to === dayAfter(from, 7))).toBe(true)
    }
  })
})

describe('behind an open reader', () => {
  /** How long it took. */
  async function timed(work: () => Promise<unknown>): Promise<number> {
    const started = performance.now()
    await work()
    return performance.now() - started
  }

  test('a change of day gives up soon, jobs end meanwhile, and the next pass makes up for it', async () => {
    const now = await today()
    const over = { name: nameOf(dayAfter(now, -2)), from: dayAfter(now, -2), to: dayAfter(now, -1) }
    await db.pool.transaction((tx) => addPartition(tx, over))
    const ahead = nameOf(dayAfter(now, 21))
    await db.pool.transaction((tx) =>
      dropPartition(tx, { name: ahead, from: dayAfter(now, 21), to: dayAfter(now, 22) }),
    )

    await withCaller(db, async (reader) => {
      await reader.query('begin isolation level repeatable read')
      await reader.query('select count(*) from forgeq.all_jobs')
      const ids = await Promise.all(Array.from({ length: 20 }, () => insertJob(db.pool)))
      let passed = false
      const passing = timed(() => prune()).finally(() => (passed = true))
      const slowest: number[] = []
      while (ids.length > 0) slowest.push(await timed(() => finishJob(db.pool, ids.pop()!)))
      expect(await passing).toBeLessThan(5_000)
      expect(passed).toBe(true)
      expect(Math.max(...slowest)).toBeLessThan(1_000)
      const names = (await listPartitions(db.pool)).partitions.map(({ name }) => name)
      expect(names).toContain(over.name) // the reader still reads it
      await reader.query('commit')
    })
    await prune()
    const names = (await listPartitions(db.pool)).partitions.map(({ name }) => name)
    expect(names).not.toContain(over.name)
    expect(names).toContain(ahead)
  })

  test('a partition is dropped or added within 100 ms or not at all', async () => {
    const now = await today()
    const partition = { name: nameOf(dayAfter(now, -4)), from: dayAfter(now, -4), to: dayAfter(now, -3) }
    await db.pool.transaction((tx) => addPartition(tx, partition))
    await withCaller(db, async (reader) => {
      await reader.query('begin')
      await reader.query('select count(*) from forgeq.finished_jobs')
      for (const work of [
        () => db.pool.transaction((tx) => dropPartition(tx, partition)),
        () =>
          db.pool.transaction((tx) =>
            addPartition(tx, { name: nameOf(dayAfter(now, -6)), from: dayAfter(now, -6), to: dayAfter(now, -5) }),
          ),
      ]) {
        const took = await timed(() => expect(work()).rejects.toMatchObject({ code: 'unavailable' }))
        expect(took).toBeLessThan(1_000)
      }
      await reader.query('rollback')
    })
    await db.pool.transaction((tx) => dropPartition(tx, partition))
  })
})
