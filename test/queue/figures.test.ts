import { uuidv7 } from 'uuidv7'
import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { createScheduler } from '../../src/loops/scheduler.ts'
import { createJobQueue } from '../../src/queue/create.ts'
import type { Why } from '../../src/queue/job-queue.ts'
import { countTotals, rollUpCounts } from '../../src/store/counts.ts'
import { requeueJobs } from '../../src/store/outcomes.ts'
import { keepingOf } from '../../src/queue/create.ts'
import { testDatabase } from '../support/database.ts'
import { finishJob, insertJob, insertSession, leaseJob, newJob } from '../support/factory.ts'
import { loopContext } from '../support/loops.ts'

const db = testDatabase()
/** Afresh for each look: figures are shared for half a second. */
const queue = () => createJobQueue(db.pool, DEFAULTS)
const inAnHour = () => new Date(Date.now() + 3_600_000).toISOString()
const ERROR = { name: 'Error', message: 'no', fingerprint: 'f' }

describe("a queue's figures", () => {
  test('count its jobs by state, and the dead of its history', async () => {
    const name = 'depth'
    const session = await insertSession(db.pool)
    for (const state of ['pending', 'pending', 'scheduled', 'retrying', 'running', 'blocked'] as const) {
      await insertJob(db.pool, {
        queue: name,
        state,
        dueInMs: state === 'pending' ? -60_000 : 60_000,
        ...(state === 'running' && { session }),
      })
    }
    for (const state of ['dead', 'dead', 'completed', 'cancelled'] as const)
      await finishJob(db.pool, await insertJob(db.pool, { queue: name }), { state })
    const figures = await queue().queues.get(name)
    expect(figures.depth).toEqual({ scheduled: 1, pending: 2, running: 1, retrying: 1, blocked: 1, dead: 2 })
    expect(figures.oldestPendingSeconds).toBeGreaterThanOrEqual(60)
    expect(figures.oldestPendingSeconds).toBeLessThan(90)
    expect(await queue().queues.list()).toContainEqual(expect.objectContaining({ name, depth: figures.depth }))
  })

  test('count the live workers that serve it and name the types that none of them serves', async () => {
    const name = 'served'
    for (const type of ['known', 'unknown', 'elsewhere']) await insertJob(db.pool, { queue: name, type })
    await insertSession(db.pool, { queues: [name], types: ['known'] })
    await insertSession(db.pool, { queues: [], types: ['known', 'more'] })
    await insertSession(db.pool, { queues: ['another'], types: ['elsewhere'] })
    await insertSession(db.pool, { queues: [name], types: ['unknown'], expiresInMs: -1 })
    await insertSession(db.pool, { queues: [name], types: ['unknown'], ended: 'stopped' })
    expect(await queue().queues.get(name)).toMatchObject({ unservedTypes: ['elsewhere', 'unknown'] })
    const everywhere = (await queue().workers.list()).filter(
      ({ queues, status }) => queues.length === 0 && status !== 'lost',
    ).length
    expect((await queue().queues.get(name)).workers).toBe(everywhere + 1)
  })

  test('of a queue that nothing is known of are an error that names it', async () => {
    await expect(queue().queues.get('unheard-of')).rejects.toMatchObject({
      code: 'queue_not_found',
      details: { name: 'unheard-of' },
    })
  })

  test('are there as soon as it has had its first job, whatever was looked at just before', async () => {
    const one = queue()
    await expect(one.queues.get('brand-new')).rejects.toMatchObject({ code: 'queue_not_found' })
    await one.enqueue(newJob({ queue: 'brand-new' }))
    expect(await one.queues.get('brand-new')).toMatchObject({ name: 'brand-new', depth: { pending: 1 } })
  })

  test('stay known when all its jobs have gone', async () => {
    const one = queue()
    const { job } = await one.enqueue(newJob({ queue: 'emptied' }))
    await one.jobs.delete(job!.id)
    await rollUpCounts(db.pool, { limit: 1_000 })
    expect(await queue().queues.get('emptied')).toMatchObject({ depth: { pending: 0 } })
  })

  test('are counted once for all who ask at the same time', async () => {
    const one = queue()
    const [first, second] = await Promise.all([one.queues.list(), one.queues.list()])
    expect(second).toBe(first)
  })

  test('tell rates over about the last minute', async () => {
    const one = queue()
    await one.enqueueMany(Array.from({ length: 120 }, () => newJob({ queue: 'rated' })))
    await finishJob(db.pool, await insertJob(db.pool, { queue: 'rated' }))
    await db.sql(`insert into forgeq.count_minutes (minute, queue, type, event, n)
                  values (date_trunc('minute', clock_timestamp()) - interval '2 minutes', 'rated', 'test', 'enqueued', 1e6)`)
    const { rates } = await queue().queues.get('rated')
    expect(rates.enqueued).toBeGreaterThanOrEqual(120 / 120)
    expect(rates.enqueued).toBeLessThanOrEqual(120 / 60)
    expect(rates.finished).toBeGreaterThan(0)
    expect(rates.finished).toBeLessThanOrEqual(1 / 60)
  })
})

describe('a pause', () => {
  test('shows since when, until when, by whom and why, and is over when it is lifted', async () => {
    const until = '2100-01-01T00:00:00.000001Z'
    const paused = await queue().queues.pause('paused', { reason: 'a "reason"', by: 'me', until })
    expect(paused).toMatchObject({
      name: 'paused',
      paused: { reason: 'a "reason"', by: 'me', until, since: expect.stringMatching(/Z$/) as string },
    })
    const again = await queue().queues.pause('paused', { reason: 'another' })
    expect(again.paused).toEqual({ reason: 'another', since: paused.paused!.since })
    expect((await queue().queues.resume('paused')).paused).toBeUndefined()
    expect((await queue().queues.resume('paused')).paused).toBeUndefined()
  })

  test('with an until ends by itself, and the queue has work again', async () => {
    await queue().queues.pause('ends', { until: inAnHour() })
    await db.sql(`update forgeq.queues set paused_until = clock_timestamp() where name = 'ends'`)
    expect((await queue().queues.get('ends')).paused).toBeUndefined() // at that moment
    const woken: string[] = []
    await createScheduler(loopContext(db.pool, { wakeWorkers: (queues) => void woken.push(...queues) })).runOnce()
    expect(woken).toContain('ends')
    expect(await db.sql(`select from forgeq.queues where name = 'ends' and paused_at is not null`)).toEqual([])
  })

  test('that follows one whose time was over begins anew', async () => {
    await queue().queues.pause('anew', { until: inAnHour() })
    await db.sql(
      `update forgeq.queues set paused_at = paused_at - interval '1 day', paused_until = clock_timestamp() where name = 'anew'`,
    )
    const { paused } = await queue().queues.pause('anew')
    expect(Date.now() - Date.parse(paused!.since)).toBeLessThan(60_000)
  })
})

describe('why a job does not run', () => {
  const codes = ({ reasons }: Why) => reasons.map(({ code }) => code)
  const why = async (fields: Parameters<typeof insertJob>[1]) => {
    const id = await insertJob(db.pool, fields)
    return queue().jobs.why(id)
  }

  test('is said for every state that waits', async () => {
    await insertSession(db.pool, { queues: ['why'], types: ['test'] })
    expect(codes(await why({ queue: 'why' }))).toEqual(['ready'])
    expect(codes(await why({ queue: 'why', priority: -1 }))).toEqual(['behind'])
    expect(codes(await why({ queue: 'why', state: 'scheduled', dueInMs: 60_000 }))).toEqual(['scheduled'])
    expect(codes(await why({ queue: 'why', state: 'retrying', dueInMs: 60_000, attempt: 1, token: 1 }))).toEqual([
      'retrying',
    ])
  })

  test('names how many come first', async () => {
    await insertSession(db.pool, { queues: ['line'], types: ['test'] })
    for (let n = 0; n < 3; n++) await insertJob(db.pool, { queue: 'line', priority: 5 })
    await insertJob(db.pool, { queue: 'line', priority: -5 })
    const { reasons } = await why({ queue: 'line' })
    expect(reasons).toMatchObject([
      { code: 'behind', details: { ahead: 3 }, message: expect.stringContaining('3 jobs') as string },
    ])
  })

  test('is the pause, and that nobody serves its type', async () => {
    await queue().queues.pause('why-paused', { reason: 'flood' })
    const { reasons } = await why({ queue: 'why-paused', type: 'nobodys' })
    expect(reasons).toMatchObject([
      { code: 'paused', message: expect.stringContaining('flood') as string },
      { code: 'no_worker', message: expect.stringContaining('nobodys') as string },
    ])
    expect(codes(await why({ queue: 'why-paused', type: 'nobodys', state: 'scheduled', dueInMs: 1_000 }))).toEqual([
      'scheduled',
      'paused',
      'no_worker',
    ])
  })

  test('is that it runs, is being cancelled, or has ended', async () => {
    const session = await insertSession(db.pool, { name: 'its worker' })
    const id = await insertJob(db.pool, { state: 'running', session })
    expect(await queue().jobs.why(id)).toMatchObject({
      state: 'running',
      reasons: [{ code: 'running', message: expect.stringContaining('its worker') as string }],
    })
    await queue().jobs.cancel(id)
    expect(codes(await queue().jobs.why(id))).toEqual(['cancelling', 'running'])
    const done = await insertJob(db.pool)
    await finishJob(db.pool, done, { state: 'dead', reason: 'attempts spent', error: ERROR })
    expect(await queue().jobs.why(done)).toMatchObject({
      state: 'dead',
      reasons: [{ code: 'final', message: expect.stringContaining('attempts spent') as string }],
    })
    await expect(queue().jobs.why(uuidv7())).rejects.toMatchObject({ code: 'job_not_found' })
  })
})

test('totals add up after every kind of event, before and after they were rolled up', async () => {
  const one = queue()
  const type = 'counted'
  const made = (await one.enqueueMany(Array.from({ length: 10 }, () => newJob({ type })))).map(({ job }) => job!.id)
  await one.enqueue(newJob({ type, idempotencyKey: 'counted' }))
  await one.enqueue(newJob({ type, idempotencyKey: 'counted' })) // the same job
  await one
    .enqueueMany([newJob({ type, id: uuidv7() }), newJob({ type, idempotencyKey: 'counted', priority: 1 })])
    .catch(() => {})
  for (const id of made.slice(0, 4)) await finishJob(db.pool, id)
  await finishJob(db.pool, made[4]!, { state: 'dead', error: ERROR })
  await one.jobs.retry(made[4]!)
  await one.jobs.cancel(made[5]!)
  await one.jobs.delete(made[6]!)
  const sessionId = await insertSession(db.pool)
  const reporter = { sessionId, worker: { id: sessionId, name: 'w' } }
  for (const [id, outcome] of [
    [made[7]!, 'failed'],
    [made[8]!, 'snoozed'],
    [made[9]!, undefined],
  ] as const) {
    const token = await leaseJob(db.pool, id, sessionId)
    await requeueJobs(
      db.pool,
      reporter,
      [{ id, token, state: 'scheduled', delayMs: 1, counted: false, ...(outcome && { outcome, ranMs: 1 }) }],
      keepingOf(DEFAULTS),
    )
  }
  const totals = async () =>
    Object.fromEntries(
      (await countTotals(db.pool)).filter((total) => total.type === type).map(({ event, n }) => [event, n]),
    )
  const expected = { enqueued: 11, completed: 4, dead: 1, retried: 1, cancelled: 1, deleted: 1, failed: 1, snoozed: 1 }
  expect(await totals()).toEqual(expected)
  expect(await rollUpCounts(db.pool, { limit: 3 })).toBe(3)
  expect(await totals()).toEqual(expected)
  await Promise.all(Array.from({ length: 8 }, () => rollUpCounts(db.pool, { limit: 10 })))
  while ((await rollUpCounts(db.pool, { limit: 1_000 })) > 0);
  expect(await totals()).toEqual(expected)
  const store = await queue().figures()
  expect(store.enqueued).toContainEqual({ queue: 'default', type, count: 11 })
  expect(store.outcomes).toContainEqual({ queue: 'default', type, outcome: 'completed', count: 4 })
  expect(store.outcomes.filter(({ outcome }) => outcome === 'retried' || outcome === 'deleted')).toEqual([])
})

describe('a worker', () => {
  test('is shown with its state and how many jobs it holds; one that is not known is an error', async () => {
    const id = await insertSession(db.pool, { name: 'busy', queues: ['q'], types: ['a', 'b'] })
    await insertJob(db.pool, { state: 'running', session: id })
    expect(await queue().workers.get(id)).toMatchObject({
      id,
      name: 'busy',
      queues: ['q'],
      types: ['a', 'b'],
      running: 1,
      status: 'active',
    })
    const lost = await insertSession(db.pool, { name: 'gone', expiresInMs: -1 })
    expect(await queue().workers.get(lost)).toMatchObject({ status: 'lost' })
    const stopped = await insertSession(db.pool, { ended: 'stopped' })
    expect((await queue().workers.list()).map((worker) => worker.id)).not.toContain(stopped)
    await expect(queue().workers.get(uuidv7())).rejects.toMatchObject({ code: 'worker_not_found' })
  })
})
