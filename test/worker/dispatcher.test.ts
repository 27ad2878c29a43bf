import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createNotifier } from '../../src/queue/notifier.ts'
import { connect } from '../../src/store/database.ts'
import { pauseQueue, resumeQueue } from '../../src/store/queues.ts'
import { createScheduler } from '../../src/loops/scheduler.ts'
import type { Handler } from '../../src/worker/handler.ts'
import { rawSql, testDatabase } from '../support/database.ts'
import { insertJob, jobOf } from '../support/factory.ts'
import { loopContext } from '../support/loops.ts'
import { endOf, gate, handler, handlers, testWorker, until } from '../support/worker.ts'

const db = testDatabase({ size: 20 })
const start = (all: Handler[], fields: object = {}) =>
  testWorker({ db: db.pool, connection: db.connection, handlers: handlers(...all), ...fields })

/** Many pending jobs in one statement; returns their ids in order. */
const insertMany = async (n: number, { queue = 'default', type = 'test', priority = 0 } = {}): Promise<string[]> =>
  (
    await db.sql<{ id: string }>(
      `insert into forgeq.jobs (id, queue, type, state, priority, run_at, created_at, payload, max_attempts)
       select gen_random_uuid(), $2, $3, 'pending', $4, clock_timestamp(), clock_timestamp(), '{}', 25 from generate_series(1, $1::int)
       returning id`,
      n,
      queue,
      type,
      priority,
    )
  ).map(({ id }) => id)

const finished = async (queue: string): Promise<number> =>
  (
    await db.sql<{ n: number }>(
      `select count(*)::int as n from forgeq.finished_jobs where queue = $1 and state = 'completed'`,
      queue,
    )
  )[0]!.n

describe('what a worker leases', () => {
  test('are only jobs of types that it serves; the others wait at no attempt for a worker that does', async () => {
    await start([handler('a', () => 1)])
    const strange = await insertMany(50, { queue: 'mixed', type: 'b' })
    const known = await insertMany(5, { queue: 'mixed', type: 'a' })
    for (const id of known) await endOf(db.pool, id)
    expect(await jobOf(db.pool, strange[0]!)).toMatchObject({ state: 'pending', attempt: 0, attempts: [] })
    expect(await db.sql(`select distinct state, attempt, token, error from forgeq.jobs where type = 'b'`)).toEqual([
      { state: 'pending', attempt: 0, token: 0, error: null },
    ])
    await start([handler('b', () => 2)])
    for (const id of strange) expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', attempt: 1 })
  })

  test('are only jobs of queues that it serves', async () => {
    await start([handler('test', () => 1)], { queues: { served: null } })
    const [other] = await insertMany(1, { queue: 'unserved' })
    const [own] = await insertMany(1, { queue: 'served' })
    await endOf(db.pool, own!)
    expect(await jobOf(db.pool, other!)).toMatchObject({ state: 'pending', attempt: 0 })
  })

  test('goes by priority first, then by the order of their due times', async () => {
    const ran: string[] = []
    const low = await insertMany(5, { queue: 'order', priority: -3 })
    const plain = await insertMany(5, { queue: 'order' })
    const high = await insertMany(5, { queue: 'order', priority: 9 })
    await start([handler('test', (_, job) => void ran.push(job.id))], { concurrency: 1, queues: { order: null } })
    await until('all have run', () => ran.length === 15)
    expect(ran).toEqual([...high, ...plain, ...low])
  })

  test('takes no more slots of a queue than it may, while other queues flow', async () => {
    const end = gate()
    let at = 0
    let most = 0
    const worker = await start(
      [
        handler('slow', async () => {
          most = Math.max(most, ++at)
          await end.promise
          at--
        }),
        handler('fast', () => 1),
      ],
      { concurrency: 6, queues: { emails: 2, rest: null } },
    )
    const slow = await insertMany(30, { queue: 'emails', type: 'slow' })
    await until('both slots are taken', () => at === 2)
    await insertMany(300, { queue: 'rest', type: 'fast' })
    await until('the others have run', async () => (await finished('rest')) === 300)
    expect(most).toBe(2)
    expect(await worker.metricsText()).toContain('forgeq_slots{state="running"} 2')
    end.open()
    await until('the slow ones have run too', async () => (await finished('emails')) === slow.length)
    expect(most).toBe(2)
  })

  test('does not let a queue with a limit starve behind one without, nor the other way round', async () => {
    const ran = { capped: 0, open: 0 }
    const run = (_: unknown, job: { queue: string }) => {
      ran[job.queue as keyof typeof ran]++
      return sleep(5)
    }
    await insertMany(2_000, { queue: 'open' })
    await insertMany(50, { queue: 'capped' })
    await start([handler('test', run)], { concurrency: 2, queues: { capped: 1, open: null } })
    await until('the queue with a limit is through', () => ran.capped === 50)
    expect(ran.open).toBeGreaterThan(10)
    expect(ran.open).toBeLessThan(1_500)
  })

  test('is nothing beyond its slots when jobs are slow: two workers share them evenly', async () => {
    const end = gate()
    const held = new Map<string, number>()
    const slow = (name: string) =>
      handler('test', () => {
        held.set(name, (held.get(name) ?? 0) + 1)
        return end.promise
      })
    await start([slow('first')], { concurrency: 10, queues: { shared: null } })
    await start([slow('second')], { concurrency: 10, queues: { shared: null } })
    await insertMany(20, { queue: 'shared' })
    await until('all run', () => [...held.values()].reduce((a, b) => a + b, 0) === 20)
    expect(Object.fromEntries(held)).toEqual({ first: 10, second: 10 })
    end.open()
    await until('all have ended', async () => (await finished('shared')) === 20)
  })

  test('goes back, uncounted, when handlers that were fast have become slow and others have free slots', async () => {
    const end = gate()
    let slow = false
    const held = new Map<string, number>()
    const turning = (name: string) =>
      handler('test', () => {
        if (!slow) return
        held.set(name, (held.get(name) ?? 0) + 1)
        return end.promise
      })
    await start([turning('first')], { concurrency: 10, queues: { turning: null } })
    await insertMany(500, { queue: 'turning' })
    await until('the fast ones have run', async () => (await finished('turning')) === 500)
    slow = true
    await insertMany(20, { queue: 'turning' })
    await until('its slots are full', () => held.get('first') === 10)
    await start([turning('second')], { concurrency: 10, queues: { turning: null } })
    await until('the second has the other ten', () => held.get('second') === 10)
    expect(await db.sql(`select distinct attempt, lost from forgeq.jobs where queue = 'turning'`)).toEqual([
      { attempt: 1, lost: 0 },
    ])
    end.open()
    await until('all have ended', async () => (await finished('turning')) === 520)
  })

  test('is never started before it is noted that it may have been', async () => {
    const unnoted: string[] = []
    await start(
      [
        handler('test', async (_, job) => {
          const [row] = await db.sql<{ noted: boolean }>(
            `select job.lease_no <= starts.upto as noted
               from forgeq.jobs as job left join forgeq.session_starts as starts using (session_id, queue) where job.id = $1`,
            job.id,
          )
          if (row?.noted !== true) unnoted.push(job.id)
        }),
      ],
      { concurrency: 4, queues: { noted: null, noted2: 2 } },
    )
    await insertMany(300, { queue: 'noted' })
    await insertMany(100, { queue: 'noted2' })
    await until('all have run', async () => (await finished('noted')) === 300 && (await finished('noted2')) === 100)
    expect(unnoted).toEqual([])
  })
})

describe('when a worker looks', () => {
  const measured = async (insert: () => Promise<string>): Promise<number> => {
    const id = await insert()
    const { startedAt, createdAt } = await endOf(db.pool, id)
    return Date.parse(startedAt!) - Date.parse(createdAt)
  }

  test('a hint after an enqueue starts a job long before the next look', async () => {
    await start([handler('test', () => 1)], { pollMs: 20_000 })
    await endOf(db.pool, await insertJob(db.pool))
    const notifier = createNotifier(db.pool)
    for (const queue of ['hinted', 'hinted', 'never-seen-before']) {
      const latencyMs = await measured(async () => {
        const id = await insertJob(db.pool, { queue })
        notifier.wake('pending', queue)
        return id
      })
      expect(latencyMs).toBeLessThan(1_000)
    }
  })

  test('a job that nobody told of starts within about a second, also in a queue never seen before', async () => {
    await start([handler('test', () => 1)], { listening: false, pollMs: 1_000 })
    for (const queue of ['quiet-1', 'quiet-2', 'quiet-3']) {
      expect(await measured(() => insertJob(db.pool, { queue }))).toBeLessThan(1_400)
    }
  })

  test('a job behind the remembered position is leased within about a second, beside an open snapshot', async () => {
    const snapshot = await connect(db.connection, 'snapshot')
    await rawSql(snapshot, 'begin isolation level repeatable read')
    await rawSql(snapshot, 'select count(*) from forgeq.jobs')
    let feeding: Promise<void> | undefined
    let stop = false
    try {
      await insertMany(3_000, { queue: 'stream' })
      await start([handler('test', () => sleep(5))], {
        concurrency: 4,
        queues: { stream: null },
        listening: false,
        pollMs: 1_000,
      })
      // More comes than is run, so that no claim comes back short.
      feeding = (async () => {
        while (!stop) await insertMany(100, { queue: 'stream' }).then(() => sleep(80))
      })()
      await until('it is under way', async () => (await finished('stream')) > 300)
      const id = await insertJob(db.pool, { queue: 'stream', dueInMs: -3_600_000 })
      await until('it is leased', async () => (await jobOf(db.pool, id)).state !== 'pending', { withinMs: 2_000 })
      const [row] = await db.sql<{ n: number }>(
        `select count(*)::int as n from forgeq.jobs where queue = 'stream' and state = 'pending'`,
      )
      expect(row!.n).toBeGreaterThan(100)
    } finally {
      stop = true
      await feeding
      await snapshot.close()
      await db.sql(`delete from forgeq.jobs where queue = 'stream' and state = 'pending'`)
    }
  })
})

describe('a paused queue', () => {
  test('starts nothing in any worker, old or fresh, while its running job finishes and due jobs are promoted', async () => {
    const end = gate()
    const started: string[] = []
    const run = handler('test', (payload, job) => {
      started.push(job.id)
      return payload.hold ? end.promise : undefined
    })
    const only = { queues: { held: null }, concurrency: 2 }
    await start([run], only)
    const holding = await insertJob(db.pool, { queue: 'held', payload: { hold: true } })
    await until('one runs', () => started.includes(holding))
    await pauseQueue(db.pool, 'held', { reason: 'maintenance' })
    await insertMany(100, { queue: 'held' })
    const delayed = await insertJob(db.pool, { queue: 'held', state: 'scheduled', dueInMs: -10 })
    const failed = await insertJob(db.pool, { queue: 'held', state: 'retrying', dueInMs: -10, attempt: 1 })
    await createScheduler(loopContext(db.pool)).runOnce()
    for (const id of [delayed, failed]) expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending' })
    const fresh = await Promise.all([1, 2, 3].map(() => start([run], only)))
    // Each of them looks twenty times in this time.
    await sleep(2_000)
    expect(started).toEqual([holding])
    end.open()
    expect(await endOf(db.pool, holding)).toMatchObject({ state: 'completed' })
    expect(started).toEqual([holding])
    await Promise.all(fresh.map((worker) => worker.stop()))
    await resumeQueue(db.pool, 'held')
    await until('all have run', async () => (await finished('held')) === 103, { withinMs: 5_000 })
  })

  test('gets back, uncounted and within a second, what lay in the buffers', async () => {
    const end = gate()
    let hold = false
    let running = 0
    await start(
      [
        handler('test', () => {
          if (!hold) return
          running++
          return end.promise
        }),
      ],
      { concurrency: 2, queues: { buffered: null }, listening: false, pollMs: 1_000 },
    )
    await insertMany(100, { queue: 'buffered' })
    await until('there is a pace', async () => (await finished('buffered')) === 100)
    hold = true
    await insertMany(50, { queue: 'buffered' })
    await until('the buffer is filled', async () => {
      const [row] = await db.sql<{ n: number }>(
        `select count(*)::int as n from forgeq.jobs where queue = 'buffered' and state = 'running'`,
      )
      return running === 2 && row!.n > 10
    })
    await pauseQueue(db.pool, 'buffered', {})
    await until(
      'the buffer is back',
      async () => {
        const rows = await db.sql(
          `select state, attempt, count(*)::int as n from forgeq.jobs where queue = 'buffered' group by state, attempt order by state`,
        )
        return (
          JSON.stringify(rows) ===
          JSON.stringify([
            { state: 'pending', attempt: 0, n: 48 },
            { state: 'running', attempt: 1, n: 2 },
          ])
        )
      },
      { withinMs: 1_500 },
    )
    end.open()
    hold = false
    await resumeQueue(db.pool, 'buffered')
    await until('all have run', async () => (await finished('buffered')) === 150)
  })
})
