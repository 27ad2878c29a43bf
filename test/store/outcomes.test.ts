import { uuidv7 } from 'uuidv7'
import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { decideLost } from '../../src/loops/lost-jobs.ts'
import { createJobQueue, keepingOf } from '../../src/queue/create.ts'
import { completeJobs } from '../../src/store/complete.ts'
import { acceptedBefore, finishJobs, type RequeuedOutcome, requeueJobs } from '../../src/store/outcomes.ts'
import { lockLostJobs, recoverJobs } from '../../src/store/recovery.ts'
import { heartbeat } from '../../src/store/sessions.ts'
import { rawSql, testDatabase } from '../support/database.ts'
import { insertSession, jobOf } from '../support/factory.ts'
import { completed, ERROR, failed, held, type Held, reporterOf } from '../support/lease.ts'
import { untilWaiting } from '../support/caller.ts'
import { gate } from '../support/watched.ts'

const db = testDatabase()
const keeping = keepingOf(DEFAULTS)
const jobs = () => createJobQueue(db.pool, DEFAULTS).jobs
const finish = async (lease: Held) =>
  (await finishJobs(db.pool, reporterOf(lease.sessionId), [completed(lease)], keeping)).has(lease.id)
const requeueFailed = async (lease: Held) =>
  (await requeueJobs(db.pool, reporterOf(lease.sessionId), [failed(lease)], keeping)).has(lease.id)

describe('completing plain jobs', () => {
  test('keeps each result with its own job, digit by digit, and null where there is none', async () => {
    const sessionId = await insertSession(db.pool)
    const leaseNos = [7, 4, 12]
    const leases = await Promise.all(leaseNos.map((leaseNo) => held(db.pool, { session: sessionId, leaseNo })))
    const results = ['{"n":12345678901234567890.10}', 'null', '[1]']
    const runs = leases.map(({ id, token }, index) => ({
      id,
      token,
      leaseNo: leaseNos[index]!,
      resultJson: results[index]!,
      ranMs: 1_500,
    }))
    const accepted = await completeJobs(db.pool, reporterOf(sessionId), runs, keeping)
    expect(leases.map(({ id }) => accepted.get(id))).toEqual(['completed', 'completed', 'completed'])
    const ended = await Promise.all(leases.map(({ id }) => jobOf(db.pool, id)))
    expect(ended.map(({ resultJson }) => resultJson)).toEqual(['{"n": 12345678901234567890.10}', 'null', '[1]'])
    for (const job of ended) {
      expect(job).toMatchObject({ state: 'completed', worker: { id: sessionId } })
      expect(Date.parse(job.finishedAt!) - Date.parse(job.startedAt!)).toBeCloseTo(1_500, -2)
    }
  })

  test('takes of a batch those whose lease holds, however far apart their numbers are', async () => {
    const sessionId = await insertSession(db.pool)
    const leaseNos = [1, 2, 3, 900_000, 4_000_000_000, 4_000_000_001]
    const leases = await Promise.all(leaseNos.map((leaseNo) => held(db.pool, { session: sessionId, leaseNo })))
    const runs = leases.map(({ id, token }, index) => ({
      id,
      token: index % 2 === 0 ? token : token - 1,
      leaseNo: leaseNos[index]!,
      resultJson: `${index}`,
      ranMs: 1,
    }))
    const accepted = await completeJobs(db.pool, reporterOf(sessionId), runs, keeping)
    expect(leases.map(({ id }) => accepted.has(id))).toEqual([true, false, true, false, true, false])
    const ended = await Promise.all(leases.map(({ id }) => jobOf(db.pool, id)))
    expect(ended.map(({ state }) => state)).toEqual([0, 1, 2, 3, 4, 5].map((n) => (n % 2 ? 'running' : 'completed')))
    expect(ended.flatMap(({ resultJson }) => resultJson ?? [])).toEqual(['0', '2', '4'])
  })

  test('refuses an older lease of the same job in the same session, alone and beside the one that holds', async () => {
    const lease = await held(db.pool, { leaseNo: 9 })
    const run = (token: number, leaseNo: number) => ({ ...lease, token, leaseNo, resultJson: `${leaseNo}`, ranMs: 1 })
    const complete = (...runs: ReturnType<typeof run>[]) =>
      completeJobs(db.pool, reporterOf(lease.sessionId), runs, keeping)
    expect((await complete(run(4, 8))).has(lease.id)).toBe(false)
    expect((await complete(run(5, 8))).has(lease.id)).toBe(false)
    expect((await complete(run(4, 9))).has(lease.id)).toBe(false)
    expect((await complete(run(4, 8), run(5, 9))).has(lease.id)).toBe(true)
    expect(await jobOf(db.pool, lease.id)).toMatchObject({ state: 'completed', resultJson: '9' })
  })

  test('lets a value stand that was returned although somebody asked to cancel, and counts the end', async () => {
    const lease = await held(db.pool)
    await db.sql('update forgeq.jobs set cancel_requested_at = clock_timestamp() where id = $1', lease.id)
    await db.sql('delete from forgeq.count_deltas')
    const { id, token, sessionId } = lease
    await completeJobs(
      db.pool,
      reporterOf(sessionId),
      [{ id, token, leaseNo: 1, resultJson: 'null', ranMs: 1 }],
      keeping,
    )
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'completed', resultJson: 'null' })
    expect(await db.sql('select event, n from forgeq.count_deltas')).toEqual([{ event: 'completed', n: 1 }])
  })
})

describe('the same outcome sent again', () => {
  const earlier = async ({ id, token, sessionId }: Held) =>
    (await acceptedBefore(db.pool, sessionId, [{ id, token }])).get(id)

  test('is found where it ended the job', async () => {
    const lease = await held(db.pool)
    expect(await earlier(lease)).toBeUndefined()
    await finish(lease)
    expect(await earlier(lease)).toBe('completed')
    expect(await earlier({ ...lease, token: 4 })).toBeUndefined()
    expect(await earlier({ ...lease, sessionId: await insertSession(db.pool) })).toBeUndefined()
  })

  test('is found where the job waits again, runs elsewhere, or was retried by a person', async () => {
    const lease = await held(db.pool)
    await requeueFailed(lease)
    expect(await earlier(lease)).toBe('retrying')
    const next = await insertSession(db.pool)
    await db.sql(
      `update forgeq.jobs set state = 'running', attempt = 4, token = 6, session_id = $2, lease_no = 1 where id = $1`,
      lease.id,
      next,
    )
    expect(await earlier(lease)).toBe('running')
    await finish({ id: lease.id, token: 6, sessionId: next })
    await jobs().retry(lease.id)
    expect(await earlier({ id: lease.id, token: 6, sessionId: next })).toBe('pending')
    expect(await earlier({ id: lease.id, token: 6, sessionId: lease.sessionId })).toBeUndefined()
  })

  test.each(['pending', 'dead'] as const)(
    'is not found where recovery ended the run before it came: %s',
    async (state) => {
      const lease = await held(db.pool)
      await db.sql(
        `update forgeq.sessions set ended_at = clock_timestamp(), end_reason = 'lease expired' where id = $1`,
        lease.sessionId,
      )
      const worker = reporterOf(lease.sessionId).worker
      const taken = { ...lease, state, delayMs: 0, counted: true, error: ERROR, worker, reason: 'lost' }
      expect((await recoverJobs(db.pool, [taken], keeping)).size).toBe(1)
      expect(await earlier(lease)).toBeUndefined()
      expect(await finish(lease)).toBe(false)
    },
  )
})

describe('an outcome', () => {
  test("completed keeps result, worker and the time that it ran by the worker's clock", async () => {
    const lease = await held(db.pool, { tags: ['t'], payload: { p: 1 } })
    await finishJobs(
      db.pool,
      reporterOf(lease.sessionId),
      [{ ...completed(lease), ranMs: 1_500, resultJson: '{"n":9007199254740993}' }],
      keeping,
    )
    const job = await jobOf(db.pool, lease.id)
    expect(job).toMatchObject({
      state: 'completed',
      resultJson: '{"n": 9007199254740993}',
      payloadJson: '{"p": 1}',
      tags: ['t'],
      worker: { name: 'holder' },
    })
    expect(Date.parse(job.finishedAt!) - Date.parse(job.startedAt!)).toBeGreaterThanOrEqual(1_499)
    expect(Date.parse(job.finishedAt!) - Date.parse(job.startedAt!)).toBeLessThanOrEqual(1_600)
    expect(job.attempts).toMatchObject([{ attempt: 3, token: 5, outcome: 'completed' }])
  })

  test('of a failure waits for its delay, of a snooze gives the number back, of a release its place too', async () => {
    const [failure, snoozed, released] = [
      await held(db.pool),
      await held(db.pool),
      await held(db.pool, { dueInMs: -60_000 }),
    ]
    const due = (await jobOf(db.pool, released.id)).runAt
    await requeueJobs(db.pool, reporterOf(failure.sessionId), [failed(failure)], keeping)
    await requeueJobs(
      db.pool,
      reporterOf(snoozed.sessionId),
      [{ ...failed(snoozed), state: 'scheduled', counted: false, outcome: 'snoozed', delayMs: 5_000 }],
      keeping,
    )
    await requeueJobs(
      db.pool,
      reporterOf(released.sessionId),
      [{ id: released.id, token: 5, state: 'pending', delayMs: 0, counted: false }],
      keeping,
    )
    const inMs = async (id: string) => Date.parse((await jobOf(db.pool, id)).runAt) - Date.now()
    expect(await jobOf(db.pool, failure.id)).toMatchObject({
      state: 'retrying',
      attempt: 3,
      error: ERROR,
      attempts: [{ attempt: 3, token: 5, outcome: 'failed', error: ERROR }],
    })
    expect(await inMs(failure.id)).toBeLessThanOrEqual(1_000)
    expect(await jobOf(db.pool, snoozed.id)).toMatchObject({
      state: 'scheduled',
      attempt: 2,
      attempts: [{ outcome: 'snoozed' }],
    })
    expect(await inMs(snoozed.id)).toBeGreaterThan(3_000)
    expect(await jobOf(db.pool, released.id)).toMatchObject({ state: 'pending', attempt: 2, runAt: due, attempts: [] })
  })

  test('never gives back more than this life has', async () => {
    const lease = await held(db.pool, { attempt: 3, lifeStart: 3 })
    await requeueJobs(
      db.pool,
      reporterOf(lease.sessionId),
      [{ ...failed(lease), state: 'pending', counted: false }],
      keeping,
    )
    expect((await jobOf(db.pool, lease.id)).attempt).toBe(3)
  })

  test('of a job that was to be cancelled: a value stands, anything else is cancelled', async () => {
    const ends = async (report: (lease: Held) => Promise<unknown>) => {
      const lease = await held(db.pool)
      await jobs().cancel(lease.id)
      expect(
        (await heartbeat(db.pool, { sessionId: lease.sessionId, leaseMs: 15_000, status: 'active' })).cancel,
      ).toEqual([{ id: lease.id, token: 5 }])
      await report(lease)
      return jobOf(db.pool, lease.id)
    }
    const requeue = (fields: Partial<RequeuedOutcome>) => (lease: Held) =>
      requeueJobs(db.pool, reporterOf(lease.sessionId), [{ ...failed(lease), ...fields }], keeping)
    const cancelled = { state: 'cancelled', reason: 'cancelled' }
    expect(await ends(finish)).toMatchObject({ state: 'completed' })
    expect(
      await ends((lease) =>
        finishJobs(
          db.pool,
          reporterOf(lease.sessionId),
          [{ ...completed(lease), state: 'dead', error: ERROR }],
          keeping,
        ),
      ),
    ).toMatchObject({ ...cancelled, error: ERROR })
    expect(await ends(requeue({}))).toMatchObject({
      ...cancelled,
      error: ERROR,
      attempts: [{ attempt: 3, outcome: 'cancelled' }],
    })
    expect(await ends(requeue({ state: 'scheduled', counted: false, outcome: 'snoozed' }))).toMatchObject(cancelled)
    expect(await ends(requeue({ state: 'pending', counted: false, outcome: 'released' }))).toMatchObject(cancelled)
    expect(
      await ends(async (lease) => {
        await db.sql(`update forgeq.sessions set expires_at = clock_timestamp() where id = $1`, lease.sessionId)
        await db.pool.transaction(async (tx) => {
          const found = (await lockLostJobs(tx, { limit: 100 })).filter(({ id }) => id === lease.id)
          await recoverJobs(
            tx,
            found.map((job) => decideLost(job)),
            keeping,
          )
        })
      }),
    ).toMatchObject(cancelled)
  })

  test('that comes while somebody asks for the cancellation ends cancelled', async () => {
    const lease = await held(db.pool)
    const asked = gate()
    let reported: Promise<unknown> | undefined
    await db.pool.transaction(async (tx) => {
      await rawSql(tx, 'update forgeq.jobs set cancel_requested_at = clock_timestamp() where id = $1', [lease.id])
      reported = requeueFailed(lease)
      await untilWaiting(db, 1)
      asked.open()
    })
    await reported
    expect(await jobOf(db.pool, lease.id)).toMatchObject({ state: 'cancelled', attempt: 3 })
  })

  test('keeps the last thousand runs of a job and forgets the oldest', async () => {
    const lease = await held(db.pool)
    await db.sql(
      `update forgeq.jobs set attempts = (select jsonb_agg(jsonb_build_object('attempt', n, 'token', n, 'started_at', '2026-01-01T00:00:00Z', 'finished_at', '2026-01-01T00:00:00Z', 'outcome', 'failed')) from generate_series(1, 1000) as n) where id = $1`,
      lease.id,
    )
    await requeueFailed(lease)
    const { attempts } = await jobOf(db.pool, lease.id)
    expect(attempts).toHaveLength(1000)
    expect([attempts![0]!.attempt, attempts!.at(-1)!.attempt]).toEqual([2, 3])
  })

  test('that the store cannot hold changes nothing', async () => {
    const lease = await held(db.pool)
    await expect(
      finishJobs(db.pool, reporterOf(lease.sessionId), [{ ...completed(lease), resultJson: '"\\u0000"' }], keeping),
    ).rejects.toThrow()
    expect(await jobOf(db.pool, lease.id)).toMatchObject({ state: 'running' })
  })
})

describe('a session', () => {
  test('is renewed by its heartbeat while it lives, and never revives', async () => {
    const live = await insertSession(db.pool, { expiresInMs: 1_000 })
    const beat = (sessionId: string) => heartbeat(db.pool, { sessionId, leaseMs: 60_000, status: 'draining' })
    expect(await beat(live)).toEqual({ alive: true, cancel: [] })
    const [row] = await db.sql<{ left: number; status: string }>(
      'select extract(epoch from expires_at - clock_timestamp())::float8 as left, status from forgeq.sessions where id = $1',
      live,
    )
    expect(row).toMatchObject({ status: 'draining' })
    expect(row!.left).toBeGreaterThan(50)
    for (const over of [
      await insertSession(db.pool, { expiresInMs: -1 }),
      await insertSession(db.pool, { ended: 'stopped' }),
      uuidv7(),
    ])
      expect(await beat(over)).toEqual({ alive: false, cancel: [] })
  })
})
