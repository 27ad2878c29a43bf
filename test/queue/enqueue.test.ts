import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { msFromInstant } from '../../src/job/instant.ts'
import { createJobQueue } from '../../src/queue/create.ts'
import { createEnqueuer } from '../../src/queue/enqueue.ts'
import { promoteDueJobs } from '../../src/store/due.ts'
import { testDatabase } from '../support/database.ts'
import { jobOf, newJob } from '../support/factory.ts'
import { gate, watched } from '../support/watched.ts'

const db = testDatabase()
const queue = () => createJobQueue(db.pool, DEFAULTS)
const noNotifier = { wake() {}, flush: () => Promise.resolve() }

async function enqueued(fields: Parameters<typeof newJob>[0] = {}) {
  const { job } = await queue().enqueue(newJob(fields))
  return job!
}

describe('one job', () => {
  test('is stored as it was asked for, and answered with as it is stored', async () => {
    const asked = {
      type: 'a/b',
      queue: 'mails',
      payloadJson: '{"a": [1, "two"]}',
      priority: -32_768,
      maxAttempts: 3,
      tags: ['x', 'ü "quoted", {braced}'],
      timeoutMs: 1_500,
      backoff: { kind: 'fixed' as const, baseMs: 10, capMs: 20, jitter: 0.5 },
      keepForMs: 86_400_000,
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    }
    const answered = await enqueued(asked)
    expect(answered).toMatchObject({ ...asked, state: 'pending', attempt: 0, lost: 0 })
    expect(answered.runAt).toBe(answered.createdAt)
    expect(await jobOf(db.pool, answered.id)).toEqual({ ...answered, attempts: [] })
  })

  test.each([
    ['in the future', 3_600_000],
    ['in the past', -3_600_000],
  ])('is due at a run_at %s to the microsecond', async (_when, fromNowMs) => {
    const runAt = `${new Date(Date.now() + fromNowMs).toISOString().slice(0, 19)}.123457Z`
    const job = await enqueued({ runAt })
    expect(job).toMatchObject({ runAt, state: fromNowMs > 0 ? 'scheduled' : 'pending' })
    expect((await jobOf(db.pool, job.id)).runAt).toBe(runAt)
  })

  test('waits for its delay, counted from the moment at which it is stored', async () => {
    const job = await enqueued({ delayMs: 90_000 })
    expect(job.state).toBe('scheduled')
    expect(msFromInstant(job.runAt) - msFromInstant(job.createdAt)).toBe(90_000)
    expect(job.runAt.slice(23)).toBe(job.createdAt.slice(23)) // the microseconds
  })

  test('is pending at once with a delay of nothing', async () => {
    expect(await enqueued({ delayMs: 0 })).toMatchObject({ state: 'pending' })
  })

  test('expires after a time, or at an instant to the microsecond', async () => {
    const after = await enqueued({ expiresInMs: 60_000 })
    expect(msFromInstant(after.expiresAt!) - msFromInstant(after.createdAt)).toBe(60_000)
    const expiresAt = `${new Date(Date.now() + 60_000).toISOString().slice(0, 19)}.000001Z`
    const at = await enqueued({ expiresAt })
    expect((await jobOf(db.pool, at.id)).expiresAt).toBe(expiresAt)
  })

  test('is not made pending by the scheduler before its run_at', async () => {
    const later = await enqueued({ delayMs: 3_600_000 })
    const due = await enqueued({ delayMs: 1 })
    await expect.poll(() => promoteDueJobs(db.pool, { limit: 100 })).toContain('default')
    expect((await jobOf(db.pool, later.id)).state).toBe('scheduled')
    expect(await jobOf(db.pool, due.id)).toMatchObject({ state: 'pending', runAt: due.runAt })
  })
})

describe('a payload', () => {
  test.each([
    [
      'numbers beyond 2^53 with every digit',
      '{"id":9007199254740993,"n":123456789012345678901234567890,"x":0.1000000000000000055}',
    ],
    [
      'keys that frighten frameworks',
      '{"__proto__":{"x":1},"constructor":{"prototype":{"y":2}},"toString":1,"":0,"a.b":2}',
    ],
    ['null', 'null'],
    ['an empty array', '[]'],
    ['false', 'false'],
    ['zero', '0'],
    ['an empty text', '""'],
    ['text of every plane', JSON.stringify('\u0001\u001f"\\/\u2028\u{1F981}\uffff')],
  ])('keeps %s', async (_what, payloadJson) => {
    const { id } = await enqueued({ payloadJson })
    const [{ same }] = (await db.sql<{ same: boolean }>(
      'select payload = $2::text::jsonb as same from forgeq.jobs where id = $1',
      id,
      payloadJson,
    )) as [{ same: boolean }]
    expect(same).toBe(true)
    const digits = (text: string) => text.match(/[\d.]{10,}/g)?.sort()
    expect(digits((await jobOf(db.pool, id)).payloadJson)).toEqual(digits(payloadJson))
  })

  test('with the key __proto__ leaves no trace on a later one without', async () => {
    await enqueued({ payloadJson: '{"__proto__":{"x":1},"constructor":{"prototype":{"y":2}}}' })
    const { id } = await enqueued({ payloadJson: '{}' })
    expect((await jobOf(db.pool, id)).payloadJson).toBe('{}')
    expect(({} as { x?: number }).x).toBeUndefined()
  })
})

describe('many jobs', () => {
  test('are stored in one statement, in the order given, at one moment', async () => {
    const watching = watched(db.pool, () => {})
    const jobs = Array.from({ length: 2_000 }, (_, n) => newJob({ queue: 'many', payloadJson: `${n}` }))
    const answers = await createEnqueuer(watching, noNotifier).enqueueMany(jobs)
    expect(watching.names).toEqual(['forgeq:insert_plain_jobs'])
    expect(answers.map(({ job }) => job!.payloadJson)).toEqual(jobs.map(({ payloadJson }) => payloadJson))
    expect(new Set(answers.map(({ job }) => job!.createdAt)).size).toBe(1)
    const stored = await db.sql<{ id: string }>(`select id from forgeq.jobs where queue = 'many' order by seq`)
    expect(stored.map(({ id }) => id)).toEqual(answers.map(({ job }) => job!.id))
  })

  test.each([
    { lanes: 1, statement: 'forgeq:insert_plain_jobs' },
    { lanes: 20, statement: 'forgeq:insert_plain_jobs' },
    { lanes: 21, statement: 'forgeq:insert_jobs' },
  ])('of $lanes kinds are what was asked for, each in its place', async ({ lanes, statement }) => {
    const watching = watched(db.pool, () => {})
    const queueName = `kinds-${lanes}`
    const jobs = Array.from({ length: 100 }, (_, n) => {
      const kind = n % lanes
      const type = `a\\"',{}_${kind >> 1}`
      return newJob({ queue: queueName, type, priority: kind % 2, maxAttempts: 1 + (kind % 5), payloadJson: `[${n}]` })
    })
    await createEnqueuer(watching, noNotifier).enqueueMany(jobs)
    expect(watching.names).toEqual([statement])
    const stored = await db.sql(
      `select type, priority, max_attempts as "maxAttempts", payload::text as "payloadJson", state, tags, run_at = created_at as now
         from forgeq.jobs where queue = $1 order by seq`,
      queueName,
    )
    expect(stored).toEqual(
      jobs.map(({ type, priority, maxAttempts, payloadJson }) => {
        const asked = { type, priority, maxAttempts, payloadJson }
        return { ...asked, state: 'pending', tags: [], now: true }
      }),
    )
    const counts = await db.sql(`select sum(n)::int as n from forgeq.count_deltas where queue = $1`, queueName)
    expect(counts).toEqual([{ n: 100 }])
  })

  test('one of which asks for more are stored together all the same', async () => {
    const jobs = [
      newJob({ queue: 'more' }),
      newJob({ queue: 'more', tags: ['a'] }),
      newJob({ queue: 'more', delayMs: 60_000 }),
    ]
    const answers = await queue().enqueueMany(jobs)
    expect(answers.map(({ job }) => [job!.state, job!.tags])).toEqual([
      ['pending', []],
      ['pending', ['a']],
      ['scheduled', []],
    ])
  })

  test('with ids and keys among them are stored in the order given, at one moment too', async () => {
    const at = Date.now()
    const givenId = (n: number) =>
      `0${(at - n).toString(16)}`.padStart(12, '0').replace(/^(.{8})(.{4})/, '$1-$2') + '-7000-8000-00000000000' + n
    const jobs = [
      newJob({ queue: 'mixed' }),
      newJob({ queue: 'mixed', id: givenId(1) }),
      newJob({ queue: 'mixed', idempotencyKey: 'mixed-b' }),
      newJob({ queue: 'mixed', id: givenId(2), idempotencyKey: 'mixed-a' }),
      newJob({ queue: 'mixed' }),
    ]
    const answers = await queue().enqueueMany(jobs)
    expect(answers[1]!.job!.id > answers[3]!.job!.id).toBe(true) // in the order of ids they would stand otherwise
    const stored = await db.sql<{ id: string }>(`select id from forgeq.jobs where queue = 'mixed' order by seq`)
    expect(stored.map(({ id }) => id)).toEqual(answers.map(({ job }) => job!.id))
    expect(new Set(answers.map(({ job }) => job!.createdAt)).size).toBe(1)
  })

  test('are stored all or none', async () => {
    const bad = newJob({ queue: 'none', payloadJson: '{"a": "\\u0000"}' })
    await expect(queue().enqueueMany([newJob({ queue: 'none' }), bad])).rejects.toThrow()
    expect(await db.sql(`select from forgeq.jobs where queue = 'none'`)).toEqual([])
  })

  test('of several statements are stored in the order given, and all or none', async () => {
    const jobs = Array.from({ length: 4_001 }, (_, n) => newJob({ queue: 'parts', payloadJson: `${n}` }))
    const answers = await queue().enqueueMany(jobs)
    expect(answers.map(({ job }) => job!.payloadJson)).toEqual(jobs.map(({ payloadJson }) => payloadJson))
    const stored = await db.sql<{ payload: string }>(
      `select payload::text from forgeq.jobs where queue = 'parts' order by seq`,
    )
    expect(stored.map(({ payload }) => payload)).toEqual(jobs.map(({ payloadJson }) => payloadJson))
    const bad = [...jobs.slice(1), newJob({ queue: 'parts', payloadJson: '"\\u0000"' })]
    await expect(queue().enqueueMany(bad)).rejects.toThrow()
    expect(await db.sql(`select count(*)::int as n from forgeq.jobs where queue = 'parts'`)).toEqual([{ n: 4_001 }])
  })

  test('that are none at all send nothing', async () => {
    const watching = watched(db.pool, () => {})
    expect(await createEnqueuer(watching, noNotifier).enqueueMany([])).toEqual([])
    expect(watching.names).toEqual([])
  })
})

describe('concurrent calls', () => {
  test('share a few statements', async () => {
    const watching = watched(db.pool, () => {})
    const { enqueue } = createEnqueuer(watching, noNotifier)
    const rounds = 5
    await Promise.all(
      Array.from({ length: 32 }, async () => {
        for (let round = 0; round < rounds; round++) await enqueue(newJob({ queue: 'shared' }))
      }),
    )
    expect(watching.names.length).toBeLessThanOrEqual(4 * rounds)
    expect(await db.sql(`select from forgeq.jobs where queue = 'shared'`)).toHaveLength(32 * rounds)
  })

  test('are not harmed by a bad job that shares their statement', async () => {
    const { enqueue } = createEnqueuer(db.pool, noNotifier)
    const bad = newJob({ queue: 'harm', payloadJson: '"\\ud800"' })
    const settled = await Promise.allSettled([
      ...Array.from({ length: 5 }, () => enqueue(newJob({ queue: 'harm' }))),
      enqueue(bad),
      ...Array.from({ length: 5 }, () => enqueue(newJob({ queue: 'harm' }))),
    ])
    expect(settled.map(({ status }) => status)).toEqual(
      Array.from({ length: 11 }, (_, n) => (n === 5 ? 'rejected' : 'fulfilled')),
    )
    expect(await db.sql(`select from forgeq.jobs where queue = 'harm'`)).toHaveLength(10)
  })

  test('do not wait for a statement that takes its time: the next one is sent beside it', async () => {
    const first = gate()
    let held = false
    const watching = watched(db.pool, () => {
      if (held) return undefined
      held = true
      return first.opened
    })
    const { enqueue } = createEnqueuer(watching, noNotifier)
    const slow = enqueue(newJob({ queue: 'lone' }))
    await expect.poll(() => watching.names.length).toBe(1)
    await enqueue(newJob({ queue: 'lone' })) // the gate is still shut
    expect(watching.names).toHaveLength(2)
    first.open()
    await slow
  })
})
