import { uuidv7 } from 'uuidv7'
import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import type { NewJob } from '../../src/job/job.ts'
import { createJobQueue, keepingOf } from '../../src/queue/create.ts'
import type { Enqueued } from '../../src/queue/job-queue.ts'
import { pruneKeys } from '../../src/store/keys.ts'
import { finishKeyedJobs } from '../../src/store/outcomes.ts'
import { untilWaiting, withCaller } from '../support/caller.ts'
import { testDatabase } from '../support/database.ts'
import { insertSession, jobOf, newJob } from '../support/factory.ts'
import { watched } from '../support/watched.ts'

const db = testDatabase({ size: 20 })
const queue = () => createJobQueue(db.pool, DEFAULTS)
const keeping = keepingOf(DEFAULTS)
const enqueue = (fields: Partial<NewJob>) => queue().enqueue(newJob(fields))
const idOf = ({ job, removed }: Enqueued) => (job ?? removed).id
const conflict = { code: 'conflict' }

const jobsOf = async (type: string) =>
  (await db.sql<{ id: string }>('select id from forgeq.all_jobs where type = $1 order by seq', type)).map(
    ({ id }) => id,
  )

/** The job runs under a session, and ends. */
async function complete(id: string): Promise<void> {
  const sessionId = await insertSession(db.pool)
  await db.sql(
    `update forgeq.jobs set state = 'running', attempt = attempt + 1, token = token + 1, session_id = $2, lease_no = 1 where id = $1`,
    id,
    sessionId,
  )
  const [row] = await db.sql<{ token: number }>('select token from forgeq.jobs where id = $1', id)
  const outcome = { id, token: row!.token, state: 'completed' as const, ranMs: 1 }
  const accepted = await finishKeyedJobs(
    db.pool,
    { sessionId, worker: { id: sessionId, name: 'w' } },
    [outcome],
    keeping,
  )
  expect(accepted.size).toBe(1)
}

const expireKey = (key: string) =>
  db.sql(`update forgeq.idempotency_keys set expires_at = clock_timestamp() where key = $1`, key)

describe('the same key', () => {
  test('with the same meaning in other bytes is the same job', async () => {
    const first = await enqueue({ idempotencyKey: 'k1', payloadJson: '{"a":1,"b":{"c":2,"d":3}}', tags: ['x', 'y'] })
    const again = await enqueue({
      idempotencyKey: 'k1',
      payloadJson: ' {"b": {"d":3e0, "c":2.0}, "a":1}',
      priority: 0,
      tags: ['y', 'x'],
    })
    expect(first.created).toBe(true)
    expect(again).toMatchObject({ created: false, job: { id: idOf(first), state: 'pending', idempotencyKey: 'k1' } })
  })

  test.each<[string, Partial<NewJob>]>([
    ['payload', { payloadJson: '{"a":2}' }],
    ['digits of a number', { payloadJson: '{"a":1.0000000000000000001}' }],
    ['type', { type: 'other' }],
    ['queue', { queue: 'other' }],
    ['priority', { priority: 1 }],
    ['run_at', { runAt: '2027-06-01T12:00:00.000000Z' }],
    ['number of attempts', { maxAttempts: 1 }],
    ['tags', { tags: ['a'] }],
  ])('with another %s is a conflict that names the job and changes nothing', async (what, fields) => {
    const key = `other ${what}`
    const first = await enqueue({ idempotencyKey: key, payloadJson: '{"a":1}' })
    const before = await jobOf(db.pool, idOf(first))
    await expect(enqueue({ idempotencyKey: key, payloadJson: '{"a":1}', ...fields })).rejects.toMatchObject({
      ...conflict,
      details: { id: idOf(first) },
      errors: [{ path: '' }],
    })
    expect(await jobOf(db.pool, idOf(first))).toEqual(before)
  })

  test('asked for by 64 at once with other payloads makes one job and 63 conflicts', async () => {
    const one = queue()
    const settled = await Promise.allSettled(
      Array.from({ length: 64 }, (_, n) =>
        one.enqueue(newJob({ type: 'race', idempotencyKey: 'k2', payloadJson: `${n}` })),
      ),
    )
    const created = settled.filter(({ status }) => status === 'fulfilled')
    expect(created).toHaveLength(1)
    const [id] = await jobsOf('race')
    for (const one of settled) {
      if (one.status === 'rejected') expect(one.reason).toMatchObject({ ...conflict, details: { id } })
      else expect(one.value).toMatchObject({ created: true, job: { id } })
    }
    expect(await jobsOf('race')).toEqual([id])
  })

  test('asked for by 64 at once with the same payload makes one job and 64 answers', async () => {
    const one = queue()
    const answers = await Promise.all(
      Array.from({ length: 64 }, () => one.enqueue(newJob({ type: 'same', idempotencyKey: 'k3' }))),
    )
    expect(answers.filter(({ created }) => created)).toHaveLength(1)
    expect(await jobsOf('same')).toEqual([...new Set(answers.map(idOf))])
  })

  test('of a race whose winner rolls back gives the loser a job', async () => {
    await withCaller(db, async (winner) => {
      await winner.query('begin')
      const lost = await queue().enqueue(newJob({ type: 'rolled', idempotencyKey: 'rolled' }), { tx: winner })
      const loser = enqueue({ type: 'rolled', idempotencyKey: 'rolled', payloadJson: '{"other":true}' })
      await untilWaiting(db, 1)
      await winner.query('rollback')
      const got = await loser
      expect(got.created).toBe(true)
      expect(idOf(got)).not.toBe(idOf(lost))
      expect(await jobsOf('rolled')).toEqual([idOf(got)])
    })
  })

  test('of a race whose winner commits is the same job for the loser', async () => {
    await withCaller(db, async (winner) => {
      await winner.query('begin')
      const won = await queue().enqueue(newJob({ type: 'won', idempotencyKey: 'won' }), { tx: winner })
      const loser = enqueue({ type: 'won', idempotencyKey: 'won' })
      await untilWaiting(db, 1)
      await winner.query('commit')
      expect(await loser).toMatchObject({ created: false, job: { id: idOf(won) } })
    })
  })

  test('is the same job while it runs, after it has ended, and after it was retried', async () => {
    const asked = { type: 'life', idempotencyKey: 'life' }
    const id = idOf(await enqueue(asked))
    await complete(id)
    expect(await enqueue(asked)).toMatchObject({ created: false, job: { id, state: 'completed' } })
    expect(await queue().jobs.retry(id)).toMatchObject({ state: 'pending', idempotencyKey: 'life' })
    expect(await enqueue(asked)).toMatchObject({ created: false, job: { id, state: 'pending' } })
    await complete(id)
    expect(await jobsOf('life')).toEqual([id])
  })

  test('outlives its job by retention: the answer says how it ended, another meaning is a conflict', async () => {
    const asked = { type: 'gone', idempotencyKey: 'gone' }
    const id = idOf(await enqueue(asked))
    await complete(id)
    await db.sql('delete from forgeq.finished_jobs where id = $1', id)
    expect(await enqueue(asked)).toEqual({ created: false, removed: { id, state: 'completed' } })
    await expect(enqueue({ ...asked, priority: 3 })).rejects.toMatchObject({ ...conflict, details: { id } })
    expect(await jobsOf('gone')).toEqual([])
  })

  test('is free again when its time is over, pruned or not', async () => {
    const asked = { type: 'again', idempotencyKey: 'again' }
    const first = idOf(await enqueue(asked))
    await complete(first)
    await expireKey('again')
    const second = await enqueue({ ...asked, payloadJson: '1' })
    expect(second.created).toBe(true)
    await complete(idOf(second))
    await expireKey('again')
    expect(await pruneKeys(db.pool, { limit: 10 })).toBe(1)
    const third = await enqueue({ ...asked, payloadJson: '2' })
    expect(third.created).toBe(true)
    expect(await jobsOf('again')).toEqual([first, idOf(second), idOf(third)])
  })

  test('is taken by one alone when 20 want it after its time', async () => {
    await complete(idOf(await enqueue({ type: 'old', idempotencyKey: 'old' })))
    await expireKey('old')
    const one = queue()
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => one.enqueue(newJob({ type: 'old', idempotencyKey: 'old' }))),
    )
    expect(answers.filter(({ created }) => created)).toHaveLength(1)
    expect(await jobsOf('old')).toHaveLength(2)
  })

  test('lives for its time past the end of its job, not past the enqueue', async () => {
    await complete(idOf(await enqueue({ idempotencyKey: 'week' })))
    const [row] = await db.sql<{ days: number }>(
      `select extract(epoch from expires_at - clock_timestamp())::float8 / 86400 as days from forgeq.idempotency_keys where key = 'week'`,
    )
    expect(row!.days).toBeGreaterThan(6.99)
    expect(row!.days).toBeLessThanOrEqual(7)
  })

  test.each([['waiting'], ['finished']])('is freed when its %s job is deleted', async (state) => {
    const asked = { type: `freed-${state}`, idempotencyKey: `freed-${state}` }
    const id = idOf(await enqueue(asked))
    if (state === 'finished') await complete(id)
    await queue().jobs.delete(id)
    const next = await enqueue({ ...asked, payloadJson: '{"other":true}' })
    expect(next.created).toBe(true)
    expect(await jobsOf(asked.type)).toEqual([idOf(next)])
  })

  test('is nothing to jobs without a key', async () => {
    await enqueue({ type: 'plain' })
    await enqueue({ type: 'plain' })
    expect(await jobsOf('plain')).toHaveLength(2)
  })
})

describe('a bulk', () => {
  const stored = newJob({ type: 'bulk', idempotencyKey: 'old-one' })
  const same = newJob({ type: 'bulk', idempotencyKey: 'same', payloadJson: '{"n":2}' })

  test('with duplicates and an old key gives five ids for three new jobs', async () => {
    const old = idOf(await queue().enqueue(stored))
    const answers = await queue().enqueueMany([
      newJob({ type: 'bulk', payloadJson: '1' }),
      same,
      newJob({ type: 'bulk', payloadJson: '3' }),
      { ...same, payloadJson: '{ "n" : 2 }' },
      stored,
    ])
    const ids = answers.map(idOf)
    expect(answers.map(({ created }) => created)).toEqual([true, true, true, false, false])
    expect(ids[3]).toBe(ids[1])
    expect(ids[4]).toBe(old)
    expect(await jobsOf('bulk')).toEqual([old, ids[0], ids[1], ids[2]])
  })

  test('with two meanings of one key is refused at the second, and nothing is stored', async () => {
    const other = newJob({ type: 'bulk2', idempotencyKey: 'twice' })
    const asked = [newJob({ type: 'bulk2' }), other, newJob({ type: 'bulk2' }), { ...other, payloadJson: '4' }]
    await expect(queue().enqueueMany(asked)).rejects.toMatchObject({ ...conflict, errors: [{ path: 'jobs[3]' }] })
    expect(await jobsOf('bulk2')).toEqual([])
    expect(await db.sql(`select from forgeq.idempotency_keys where key = 'twice'`)).toEqual([])
  })

  test('whose key is held with another meaning is refused there, and nothing is stored', async () => {
    await enqueue({ type: 'held', idempotencyKey: 'held' })
    const asked = [
      newJob({ type: 'bulk3', idempotencyKey: 'fresh' }),
      newJob({ type: 'bulk3', idempotencyKey: 'held' }),
    ]
    await expect(queue().enqueueMany(asked)).rejects.toMatchObject({ ...conflict, errors: [{ path: 'jobs[1]' }] })
    expect(await jobsOf('bulk3')).toEqual([])
    expect(await db.sql(`select from forgeq.idempotency_keys where key = 'fresh'`)).toEqual([])
  })

  test('with keys in one order never deadlocks with another that has them in the other', async () => {
    for (let round = 0; round < 10; round++) {
      const jobs = Array.from({ length: 50 }, (_, n) =>
        newJob({ type: `order${round}`, idempotencyKey: `order ${round} ${n}`, id: uuidv7() }),
      )
      const asked = [jobs, jobs.toReversed()].map((part) => part.map(({ id: _id, ...job }) => job))
      const answers = await Promise.all(asked.map((part) => queue().enqueueMany(part)))
      expect(answers[0]!.map(idOf)).toEqual(answers[1]!.map(idOf).toReversed())
    }
  })

  test('with ids in one order never deadlocks with another that has them in the other', async () => {
    const jobs = Array.from({ length: 200 }, () => newJob({ type: 'ids', id: uuidv7() }))
    const answers = await Promise.all([jobs, jobs.toReversed()].map((part) => queue().enqueueMany(part)))
    expect(answers.flat().filter(({ created }) => created)).toHaveLength(200)
    expect(await jobsOf('ids')).toHaveLength(200)
  })

  test('takes its keys in their order: while it waits for one it holds none of those behind', async () => {
    await withCaller(db, async (holder) => {
      await holder.query('begin')
      await queue().enqueue(newJob({ type: 'sorted', idempotencyKey: 'sorted b' }), { tx: holder })
      const asked = ['sorted c', 'sorted b', 'sorted a'].map((key) => newJob({ type: 'sorted', idempotencyKey: key }))
      const waiting = queue().enqueueMany(asked)
      await untilWaiting(db, 1)
      const free = await queue().enqueue(asked[0]!)
      expect(free.created).toBe(true)
      await holder.query('rollback')
      expect((await waiting).map(({ created }) => created)).toEqual([false, true, true])
    })
  })
})

describe('an open transaction of a caller', () => {
  test('that holds a key makes others wait for it no longer than 5 s, and stops no job without a key', async () => {
    await withCaller(db, async (holder) => {
      await holder.query('begin')
      const held = idOf(await queue().enqueue(newJob({ type: 'slow', idempotencyKey: 'slow' }), { tx: holder }))
      const waited = performance.now()
      const refused = enqueue({ type: 'slow', idempotencyKey: 'slow' }).catch((error: unknown) => error)
      await untilWaiting(db, 1)
      const neighbours = await Promise.all(Array.from({ length: 40 }, () => enqueue({ type: 'neighbour' })))
      expect(neighbours.every(({ created }) => created)).toBe(true)
      expect(await refused).toMatchObject({ code: 'unavailable' })
      expect(performance.now() - waited).toBeGreaterThan(4_900)
      expect(performance.now() - waited).toBeLessThan(8_000)
      await holder.query('commit')
      expect(await enqueue({ type: 'slow', idempotencyKey: 'slow' })).toMatchObject({
        created: false,
        job: { id: held },
      })
    })
  })

  test('that repeated a key stops neither the end of its job nor another repeat', async () => {
    const asked = newJob({ type: 'repeat', idempotencyKey: 'repeat' })
    const id = idOf(await queue().enqueue(asked))
    await withCaller(db, async (caller) => {
      await caller.query('begin')
      await caller.query(`set local lock_timeout = '1s'`)
      expect(idOf(await queue().enqueue(asked, { tx: caller }))).toBe(id)
      expect(idOf(await queue().enqueue(asked))).toBe(id)
      await complete(id)
      expect(await jobOf(db.pool, id)).toMatchObject({ state: 'completed' })
      await caller.query('rollback')
    })
  })

  test('is left as it was by a conflict: nothing of the call is in it and it goes on', async () => {
    await enqueue({ type: 'taken', idempotencyKey: 'taken' })
    const takenId = idOf(await enqueue({ type: 'taken', id: uuidv7() }))
    await withCaller(db, async (caller) => {
      await caller.query('create temporary table own (n int)')
      await caller.query('begin')
      await caller.query('insert into own values (1)')
      for (const conflicting of [
        newJob({ type: 'mine', idempotencyKey: 'taken' }),
        newJob({ type: 'mine', id: takenId }),
      ]) {
        const asked = [
          newJob({ type: 'mine', idempotencyKey: 'new key' }),
          newJob({ type: 'mine', id: uuidv7() }),
          newJob({ type: 'mine' }),
          conflicting,
        ]
        await expect(queue().enqueueMany(asked, { tx: caller })).rejects.toMatchObject({
          ...conflict,
          errors: [{ path: 'jobs[3]' }],
        })
        const { rows } = await caller.query(
          `select (select count(*)::int from forgeq.jobs where type = 'mine') as jobs,
                  (select count(*)::int from forgeq.idempotency_keys where key = 'new key') as keys,
                  (select coalesce(sum(n), 0)::int from forgeq.count_deltas where type = 'mine') as counted`,
        )
        expect(rows).toEqual([{ jobs: 0, keys: 0, counted: 0 }])
      }
      await queue().enqueue(newJob({ type: 'mine', idempotencyKey: 'new key' }), { tx: caller })
      await caller.query('commit')
      expect((await caller.query('select n from own')).rows).toEqual([{ n: 1 }])
    })
    expect(await jobsOf('mine')).toHaveLength(1)
  })
})

test('a key is freed by none of the statements of a call without keys', async () => {
  const watching = watched(db.pool, () => {})
  await createJobQueue(watching, DEFAULTS).enqueueMany([newJob(), newJob()])
  expect(watching.names.filter((name) => name.includes('key'))).toEqual([])
})
