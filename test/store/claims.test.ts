import { beforeEach, describe, expect, test } from 'vitest'
import { uuidv7 } from 'uuidv7'
import { claimJobs, findLanes, type LaneClaim, noteStarts } from '../../src/store/leases.ts'
import type { LeasedJob } from '../../src/store/leased-job.ts'
import { endSession } from '../../src/store/sessions.ts'
import { DEFAULTS } from '../../src/config.ts'
import { createJobQueue } from '../../src/queue/create.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, insertSession, jobOf, newJob } from '../support/factory.ts'

const db = testDatabase({ size: 12 })
beforeEach(async () => {
  await db.sql('truncate forgeq.jobs, forgeq.sessions, forgeq.session_starts, forgeq.queues')
})

const lane = (fields: Partial<LaneClaim> = {}): LaneClaim => ({
  queue: 'default',
  type: 'test',
  priority: 0,
  after: null,
  ...fields,
})

interface Claim {
  session?: string
  lanes?: LaneClaim[]
  limit?: number
  nextLeaseNo?: number
  startable?: number
}
async function claim({ session, lanes = [lane()], limit = 100, nextLeaseNo = 1, startable = 0 }: Claim = {}): Promise<
  LeasedJob[]
> {
  const sessionId = session ?? (await insertSession(db.pool))
  return claimJobs(db.pool, { sessionId, lanes, limit, nextLeaseNo, startable })
}
const ids = (jobs: readonly { id: string }[]) => jobs.map(({ id }) => id)
const notes = (session: string) =>
  db.sql<{ queue: string; upto: number }>(
    'select queue, upto from forgeq.session_starts where session_id = $1 order by queue',
    session,
  )

describe('a claim', () => {
  test('leases at most its limit, the first due first, and tells all about each', async () => {
    const session = await insertSession(db.pool)
    const { job } = await createJobQueue(db.pool, DEFAULTS).enqueue(
      newJob({
        payloadJson: '{"n":9007199254740993}',
        tags: ['a'],
        timeoutMs: 5,
        idempotencyKey: 'k',
        maxAttempts: 7,
        backoff: { kind: 'linear', baseMs: 1, capMs: 2, jitter: 0 },
      }),
    )
    const later = await insertJob(db.pool)
    const leased = await claim({ session, limit: 1, nextLeaseNo: 42 })
    expect(leased).toEqual([
      expect.objectContaining({
        id: job!.id,
        type: 'test',
        queue: 'default',
        priority: 0,
        payloadJson: '{"n": 9007199254740993}',
        attempt: 1,
        maxAttempts: 7,
        lifeStart: 0,
        token: 1,
        leaseNo: 42,
        lost: 0,
        tags: ['a'],
        keyed: true,
        timeoutMs: 5,
        backoff: { kind: 'linear', baseMs: 1, capMs: 2, jitter: 0 },
      }),
    ])
    expect(leased[0]!.createdAtUs).toBe(Date.parse(job!.createdAt) * 1000 + Number(job!.createdAt.slice(23, 26)))
    expect(await jobOf(db.pool, job!.id)).toMatchObject({ state: 'running', attempt: 1, worker: { id: session } })
    expect((await jobOf(db.pool, later)).state).toBe('pending')
  })

  test('leases each job once when eight claim at the same time', async () => {
    await createJobQueue(db.pool, DEFAULTS).enqueueMany(Array.from({ length: 500 }, () => newJob()))
    const sessions = await Promise.all(Array.from({ length: 8 }, () => insertSession(db.pool)))
    const taken: string[] = []
    await Promise.all(
      sessions.map(async (session) => {
        for (let got = -1; got !== 0;) {
          const leased = await claim({ session, limit: 9 })
          expect(leased.length).toBeLessThanOrEqual(9)
          taken.push(...ids(leased))
          got = leased.length
        }
      }),
    )
    expect(taken).toHaveLength(500)
    expect(new Set(taken).size).toBe(500)
    expect(await db.sql(`select from forgeq.jobs where state <> 'running' or token <> 1 or attempt <> 1`)).toEqual([])
  })

  test('skips what another transaction has locked', async () => {
    const [locked, free] = [await insertJob(db.pool), await insertJob(db.pool)]
    await db.pool.transaction(async (tx) => {
      await tx.query({
        name: 'test',
        text: 'select from forgeq.jobs where id = $1 for update',
        values: [locked],
        prepared: '',
      })
      expect(ids(await claim())).toEqual([free])
    })
  })

  test('merges types, queues and priorities into one order: priority, due time, then seq', async () => {
    const expected: [number, number, string, string][] = [
      [9, -10, 'b', 'q2'],
      [9, -10, 'a', 'q1'],
      [9, -5, 'a', 'q2'],
      [1, -900, 'b', 'q1'],
      [0, -50, 'a', 'q1'],
      [0, -40, 'b', 'q2'],
      [0, -30, 'a', 'q1'],
    ]
    const made: string[] = []
    for (const [priority, dueInMs, type, queue] of expected) {
      const id = await insertJob(db.pool, { priority, type, queue })
      await db.sql(
        `update forgeq.jobs set run_at = timestamptz '2026-01-01Z' + $2 * interval '1 ms' where id = $1`,
        id,
        dueInMs,
      )
      made.push(id)
    }
    await insertJob(db.pool, { type: 'c', priority: 100 }) // not served
    const lanes = (await findLanes(db.pool, { queues: null, types: ['a', 'b'] })).lanes.map((one) => ({
      ...one,
      after: null,
    }))
    expect(lanes).toHaveLength(6)
    const session = await insertSession(db.pool)
    const first = await claim({ session, lanes, limit: 4 })
    const second = await claim({ session, lanes, limit: 100, nextLeaseNo: 5 })
    expect(ids([...first, ...second])).toEqual(made)
    expect([...first, ...second].map(({ leaseNo }) => leaseNo)).toEqual([1, 2, 3, 4, 5, 6, 7])
  })

  test('of far more than ten lanes still takes the best of them, and in time all', async () => {
    for (let n = 0; n < 40; n++) for (let i = 0; i < 3; i++) await insertJob(db.pool, { type: `t${n}`, priority: n })
    const types = Array.from({ length: 40 }, (_, n) => `t${n}`)
    const session = await insertSession(db.pool)
    const taken: LeasedJob[] = []
    for (let got = -1; got !== 0;) {
      const lanes = (await findLanes(db.pool, { queues: null, types })).lanes.map((one) => ({ ...one, after: null }))
      const leased = lanes.length > 0 ? await claim({ session, lanes, limit: 10, nextLeaseNo: taken.length + 1 }) : []
      expect(leased.length).toBeLessThanOrEqual(10)
      taken.push(...leased)
      got = leased.length
    }
    expect(taken[0]!.priority).toBe(39)
    expect(new Set(ids(taken)).size).toBe(120)
  })

  test.each([
    ['that has expired', { expiresInMs: -1 }],
    ['that has ended', { ended: 'stopped' }],
  ])('leases nothing to a session %s', async (_what, fields) => {
    const id = await insertJob(db.pool)
    const session = await insertSession(db.pool, fields)
    expect(await claim({ session, startable: 5 })).toEqual([])
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', attempt: 0 })
    expect(await notes(session)).toEqual([])
  })

  test('leases nothing to a session that nobody has registered, or that was just ended', async () => {
    await insertJob(db.pool)
    expect(await claim({ session: uuidv7() })).toEqual([])
    const session = await insertSession(db.pool)
    await endSession(db.pool, { sessionId: session, reason: 'stopped' })
    expect(await claim({ session })).toEqual([])
  })

  test('leases nothing of a paused queue, but what lies in others; a pause that is over is none', async () => {
    const paused = await insertJob(db.pool, { queue: 'paused' })
    const free = await insertJob(db.pool, { queue: 'free' })
    const over = await insertJob(db.pool, { queue: 'over' })
    await db.sql(
      `insert into forgeq.queues (name, paused_at, paused_until) values ('paused', now(), null), ('over', now(), now())`,
    )
    const lanes = ['paused', 'free', 'over'].map((queue) => lane({ queue }))
    expect(ids(await claim({ lanes })).sort()).toEqual([free, over].sort())
    expect(await claim({ lanes: [lane({ queue: 'paused' })] })).toEqual([])
    expect((await jobOf(db.pool, paused)).attempt).toBe(0)
  })

  test('leases nothing that has expired, and what lies behind it', async () => {
    for (let n = 0; n < 5; n++) await insertJob(db.pool, { expiresInMs: -1 })
    const fresh = await insertJob(db.pool, { expiresInMs: 60_000 })
    expect(ids(await claim({ limit: 1 }))).toEqual([fresh])
    const other = await insertJob(db.pool, { type: 'other' })
    for (let n = 0; n < 5; n++) await insertJob(db.pool, { expiresInMs: -1, priority: 9 })
    const lanes = [lane({ priority: 9 }), lane(), lane({ type: 'other' })]
    expect(ids(await claim({ lanes, limit: 1 }))).toEqual([other])
  })

  test('goes on behind a remembered position, and finds what lies before it only from the start', async () => {
    const early = await insertJob(db.pool, { dueInMs: -3_000 })
    const [at, after] = [await insertJob(db.pool, { dueInMs: -2_000 }), await insertJob(db.pool, { dueInMs: -1_000 })]
    const session = await insertSession(db.pool)
    const [first, second] = await claim({ session, limit: 2 })
    expect([first!.id, second!.id]).toEqual([early, at])
    await db.sql(`update forgeq.jobs set state = 'pending', session_id = null, lease_no = null where id = $1`, early)
    expect(ids(await claim({ session, lanes: [lane({ after: second!.position })] }))).toEqual([after])
    expect(ids(await claim({ session }))).toEqual([early])
  })

  test('tells two jobs apart that are due at the same microsecond, by their seq', async () => {
    const made = [await insertJob(db.pool), await insertJob(db.pool), await insertJob(db.pool)]
    await db.sql(`update forgeq.jobs set run_at = '2026-01-01T00:00:00.123457Z'`)
    const session = await insertSession(db.pool)
    const [first] = await claim({ session, limit: 1 })
    expect(first!.id).toBe(made[0])
    expect(ids(await claim({ session, lanes: [lane({ after: first!.position })] }))).toEqual(made.slice(1))
  })

  test('notes, by queue, how many of its leases may be started at once', async () => {
    for (const queue of ['one', 'two', 'one', 'two', 'two']) await insertJob(db.pool, { queue })
    const session = await insertSession(db.pool)
    const lanes = [lane({ queue: 'one' }), lane({ queue: 'two' })]
    const leased = await claim({ session, lanes, nextLeaseNo: 11, startable: 2 })
    expect(leased.map(({ queue, leaseNo }) => [queue, leaseNo])).toEqual([
      ['one', 11],
      ['two', 12],
      ['one', 13],
      ['two', 14],
      ['two', 15],
    ])
    for (const { queue, upto } of await notes(session)) {
      expect(upto).toBeLessThanOrEqual(12)
      expect(
        leased.filter((job) => job.queue === queue && job.leaseNo <= upto).every(({ leaseNo }) => leaseNo <= 12),
      ).toBe(true)
    }
    expect(await notes(session)).toEqual([
      { queue: 'one', upto: 12 },
      { queue: 'two', upto: 12 },
    ])
  })

  test('that may start nothing notes nothing', async () => {
    await insertJob(db.pool)
    const session = await insertSession(db.pool)
    expect(await claim({ session, startable: 0 })).toHaveLength(1)
    expect(await notes(session)).toEqual([])
  })
})

describe('a note of starts', () => {
  test('grows and never shrinks', async () => {
    const session = await insertSession(db.pool)
    for (const upto of [3, 7, 5]) expect(await noteStarts(db.pool, { sessionId: session, queue: 'q', upto })).toBe(true)
    expect(await notes(session)).toEqual([{ queue: 'q', upto: 7 }])
  })

  test.each([
    ['that has expired', { expiresInMs: -1 }],
    ['that has ended', { ended: 'stopped' }],
  ])('is refused to a session %s', async (_what, fields) => {
    const session = await insertSession(db.pool, fields)
    expect(await noteStarts(db.pool, { sessionId: session, queue: 'q', upto: 1 })).toBe(false)
    expect(await notes(session)).toEqual([])
  })
})

test('lanes are found by queue, type and priority, of what is served and waits', async () => {
  await insertJob(db.pool, { queue: 'a', type: 'x', priority: 3 })
  await insertJob(db.pool, { queue: 'a', type: 'x', priority: 3 })
  await insertJob(db.pool, { queue: 'a', type: 'x', priority: -3 })
  await insertJob(db.pool, { queue: 'b', type: 'x' })
  await insertJob(db.pool, { queue: 'b', type: 'y' })
  await insertJob(db.pool, { queue: 'c', type: 'x', state: 'scheduled', dueInMs: 1_000 })
  const { lanes: found } = await findLanes(db.pool, { queues: null, types: ['x'] })
  expect(found).toEqual([
    { queue: 'a', type: 'x', priority: 3 },
    { queue: 'a', type: 'x', priority: -3 },
    { queue: 'b', type: 'x', priority: 0 },
  ])
  expect((await findLanes(db.pool, { queues: ['b', 'c'], types: ['x', 'y'] })).lanes).toEqual([
    { queue: 'b', type: 'x', priority: 0 },
    { queue: 'b', type: 'y', priority: 0 },
  ])
  expect(await findLanes(db.pool, { queues: [], types: ['x'] })).toEqual({ lanes: [], partial: false })
})

test('of very many priorities the highest are told, and that there are more', async () => {
  await db.sql(
    `insert into forgeq.jobs (id, queue, type, state, priority, run_at, created_at, payload, max_attempts)
     select gen_random_uuid(), name, 'graded', 'pending', n, clock_timestamp(), clock_timestamp(), '{}', 25
       from generate_series(1, 40) as n, unnest(array['g1', 'g2']) as name`,
  )
  const { lanes, partial } = await findLanes(db.pool, { queues: null, types: ['graded'] })
  const highest = Array.from({ length: 16 }, (_, n) => 40 - n)
  expect(lanes.map(({ queue, priority }) => [queue, priority])).toEqual(
    ['g1', 'g2'].flatMap((queue) => highest.map((priority) => [queue, priority])),
  )
  expect(partial).toBe(true)
})

test('of very many lanes the highest priority and the earliest due come first all the same', async () => {
  const session = await insertSession(db.pool)
  await db.sql(
    `insert into forgeq.jobs (id, queue, type, state, priority, run_at, created_at, payload, max_attempts)
     select gen_random_uuid(), 'crowd', 'low-' || type, 'pending', 0, clock_timestamp() - interval '1 hour' + n * interval '1 s', clock_timestamp(), '{}'::jsonb, 25
       from generate_series(1, 20) as type, generate_series(1, 50) as n
     union all
     select gen_random_uuid(), 'crowd', 'urgent', 'pending', 100, clock_timestamp(), clock_timestamp(), '{}'::jsonb, 25 from generate_series(1, 100) as n
     union all
     select gen_random_uuid(), 'crowd', 'early', 'pending', 0, clock_timestamp() - interval '2 hours' + n * interval '1 s', clock_timestamp(), '{}'::jsonb, 25
       from generate_series(1, 100) as n`,
  )
  const types = ['urgent', 'early', ...Array.from({ length: 20 }, (_, n) => `low-${n + 1}`)]
  const order: string[] = []
  for (let nextLeaseNo = 1; order.length < 220;) {
    const { lanes } = await findLanes(db.pool, { queues: ['crowd'], types })
    const taken = await claimJobs(db.pool, {
      sessionId: session,
      lanes: lanes.map((lane) => ({ ...lane, after: null })),
      limit: 30,
      nextLeaseNo,
      startable: 0,
    })
    expect(taken.length).toBeGreaterThan(0)
    nextLeaseNo += taken.length
    order.push(...taken.map(({ type }) => type.split('-')[0]!))
  }
  expect(order.slice(0, 200)).toEqual([...Array<string>(100).fill('urgent'), ...Array<string>(100).fill('early')])
  expect(new Set(order.slice(200))).toEqual(new Set(['low']))
})
