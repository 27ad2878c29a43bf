import { afterEach, describe, expect, test } from 'vitest'
import { createRecovery } from '../../src/loops/recovery.ts'
import type { Loop, LoopContext } from '../../src/loops/index.ts'
import { DEFAULTS } from '../../src/config.ts'
import { keepingOf } from '../../src/queue/create.ts'
import { finishJobs } from '../../src/store/outcomes.ts'
import { connect } from '../../src/store/database.ts'
import { decideLost } from '../../src/loops/lost-jobs.ts'
import { lockLostJobs, recoverJobs } from '../../src/store/recovery.ts'
import { endSession } from '../../src/store/sessions.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, insertSession, type JobFields, jobOf } from '../support/factory.ts'
import { loopContext } from '../support/loops.ts'
import { explainPrepared, prepare, readsOf, statementOf } from '../support/plans.ts'
import { gate, jobIn, until } from '../support/worker.ts'

const db = testDatabase()
const recovery = (fields: Partial<LoopContext> = {}) => createRecovery(loopContext(db.pool, fields))
const keeping = keepingOf(DEFAULTS)
const dueInMs = ({ runAt }: { runAt: string }) => Date.parse(runAt) - Date.now()
let looping: Loop | undefined
afterEach(async () => {
  await looping?.stop()
  looping = undefined
})

/** A running job of a session that has expired; it may have started. */
async function lostJob(fields: JobFields = {}): Promise<string> {
  const session = await insertSession(db.pool, { expiresInMs: -1, startedUpto: 1 })
  return insertJob(db.pool, { state: 'running', session, quarantined: (fields.lost ?? 0) > 0, ...fields })
}

describe('recovery', () => {
  test('gives a lost job back at once with the cause, counted as an attempt and as lost, and wakes its queue', async () => {
    const woken: string[] = []
    const id = await lostJob({ queue: 'mails' })
    await db.sql(`update forgeq.session_starts set queue = 'mails'`)
    expect(await recovery({ wakeWorkers: (queues) => void woken.push(...queues) }).runOnce()).toBe(1)
    const job = await jobOf(db.pool, id)
    expect(job).toMatchObject({ state: 'pending', attempt: 1, lost: 1 })
    expect(dueInMs(job)).toBeLessThanOrEqual(0)
    expect(job.attempts).toMatchObject([
      {
        attempt: 1,
        outcome: 'lost',
        worker: { name: 'w', host: 'h', pid: 1 },
        error: {
          code: 'lease_expired',
          message: expect.stringMatching(/^lease expired: worker w, host h, pid 1, last seen 20\d\d-/),
        },
      },
    ])
    expect(woken).toEqual(['mails'])
    expect(await db.sql(`select end_reason from forgeq.sessions where ended_at is not null`)).toEqual([
      { end_reason: 'lease expired' },
    ])
  })

  test('gives a job back at no cost that lay in the buffer of the lost worker', async () => {
    const session = await insertSession(db.pool, { expiresInMs: -1, startedUpto: 3 })
    const id = await insertJob(db.pool, { state: 'running', session, leaseNo: 4 })
    const ran = await insertJob(db.pool, { state: 'running', session, leaseNo: 3 })
    await recovery().runOnce()
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', attempt: 0, lost: 0, attempts: [] })
    expect(await jobOf(db.pool, ran)).toMatchObject({ state: 'pending', attempt: 1, lost: 1 })
  })

  test('lets a job wait for its backoff from its second loss on', async () => {
    const id = await lostJob({ attempt: 4, token: 4, lifeStart: 1, lost: 1 })
    await recovery().runOnce()
    const job = await jobOf(db.pool, id)
    expect(job).toMatchObject({ state: 'retrying', attempt: 4, lost: 2 })
    // The third run of this life: 5 s · 2² ± 20 %.
    expect(dueInMs(job)).toBeGreaterThan(15_000)
    expect(dueInMs(job)).toBeLessThan(24_100)
  })

  test('ends a job that was lost for the third time', async () => {
    const id = await lostJob({ lost: 2, attempt: 3, token: 3 })
    await recovery().runOnce()
    expect(await jobOf(db.pool, id)).toMatchObject({
      state: 'dead',
      reason: 'lost',
      lost: 3,
      attempt: 3,
      error: { code: 'lease_expired' },
    })
  })

  test('ends a job whose attempts are spent', async () => {
    const id = await lostJob({ attempt: 2, token: 2, maxAttempts: 2 })
    await recovery().runOnce()
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'dead', reason: 'attempts spent', lost: 1 })
  })

  test('ends a job that somebody asked to cancel, whether it ran or not', async () => {
    const ran = await lostJob({ cancelRequested: true })
    const session = await insertSession(db.pool, { expiresInMs: -1, startedUpto: 3 })
    const buffered = await insertJob(db.pool, { state: 'running', session, leaseNo: 4, cancelRequested: true })
    await recovery().runOnce()
    expect(await jobOf(db.pool, ran)).toMatchObject({ state: 'cancelled', reason: 'cancelled', attempt: 1, lost: 1 })
    const never = await jobOf(db.pool, buffered)
    expect(never).toMatchObject({ state: 'cancelled', reason: 'cancelled', attempt: 0, lost: 0, attempts: [] })
    expect(never.startedAt).toBeUndefined()
  })

  test('lets the key of a job that it ends begin to count down', async () => {
    const id = await lostJob({ lost: 2, key: 'once' })
    await db.sql(`insert into forgeq.idempotency_keys (key, job_id, meaning) values ('once', $1, 'm')`, id)
    await recovery().runOnce()
    expect(
      await db.sql(
        `select state, expires_at > clock_timestamp() + interval '6 days' as lives from forgeq.idempotency_keys`,
      ),
    ).toEqual([{ state: 'dead', lives: true }])
  })

  test('takes jobs of sessions that ended by themselves, and of sessions that nobody knows', async () => {
    const session = await insertSession(db.pool, { startedUpto: 1 })
    const ended = await insertJob(db.pool, { state: 'running', session })
    await endSession(db.pool, { sessionId: session, reason: 'stopped' })
    const orphan = await insertJob(db.pool, { state: 'running' })
    await recovery().runOnce()
    const job = await jobOf(db.pool, ended)
    expect(job).toMatchObject({ state: 'pending', lost: 1 })
    expect(job.error?.message).toMatch(/^stopped: worker w/)
    expect(await jobOf(db.pool, orphan)).toMatchObject({
      state: 'pending',
      lost: 1,
      error: { message: expect.stringContaining('not known any more') },
    })
  })

  test('leaves the jobs of a live session alone', async () => {
    const session = await insertSession(db.pool, { startedUpto: 1 })
    const id = await insertJob(db.pool, { state: 'running', session })
    expect(await recovery().runOnce()).toBe(0)
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'running' })
  })

  test('leaves a job alone that finished between the look and the write', async () => {
    const session = await insertSession(db.pool, { expiresInMs: -1, startedUpto: 1 })
    const id = await insertJob(db.pool, { state: 'running', session })
    const finished = gate()
    const release = gate()
    // The worker's outcome is written, but not committed, when recovery looks.
    const finishing = db.pool.transaction(async (tx) => {
      const worker = { id: session, name: 'w', host: 'h', pid: 1 }
      await finishJobs(
        tx,
        { sessionId: session, worker },
        [{ id, token: 1, state: 'completed', resultJson: '1' }],
        keeping,
      )
      finished.open()
      await release.promise
    })
    await finished.promise
    expect(await recovery().runOnce()).toBe(0)
    release.open()
    await finishing
    expect(await recovery().runOnce()).toBe(0)
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'completed', lost: 0, attempt: 1 })
  })

  test('refuses the outcome of a job that it has taken back', async () => {
    const session = await insertSession(db.pool, { expiresInMs: -1, startedUpto: 1 })
    const id = await insertJob(db.pool, { state: 'running', session })
    await recovery().runOnce()
    const worker = { id: session, name: 'w', host: 'h', pid: 1 }
    const accepted = await finishJobs(
      db.pool,
      { sessionId: session, worker },
      [{ id, token: 1, state: 'completed' }],
      keeping,
    )
    expect(accepted.size).toBe(0)
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', lost: 1 })
  })

  test('is not held up by rows that somebody has locked, and takes them later', async () => {
    const locked = await lostJob()
    const free = await lostJob()
    await db.pool.transaction(async (tx) => {
      await tx.query({
        name: 't',
        text: 'select * from forgeq.jobs where id = $1 for update',
        values: [locked],
        prepared: '',
      })
      expect(await recovery().runOnce()).toBe(1)
      expect(await jobOf(db.pool, free)).toMatchObject({ state: 'pending' })
      expect(await jobOf(db.pool, locked)).toMatchObject({ state: 'running' })
    })
    expect(await recovery().runOnce()).toBe(1)
    expect(await jobOf(db.pool, locked)).toMatchObject({ state: 'pending', lost: 1 })
  })

  test('finds what a claim leases that commits after the session has ended', async () => {
    const session = await insertSession(db.pool, { expiresInMs: -1 })
    const id = await insertJob(db.pool)
    const claimed = gate()
    const release = gate()
    const claiming = db.pool.transaction(async (tx) => {
      // As a claim that has seen the session alive.
      await tx.query({
        name: 't',
        text: `update forgeq.jobs set state = 'running', attempt = 1, token = 1, session_id = $2, lease_no = 1, started_at = clock_timestamp() where id = $1`,
        values: [id, session],
        prepared: '',
      })
      claimed.open()
      await release.promise
    })
    await claimed.promise
    expect(await recovery().runOnce()).toBe(0)
    release.open()
    await claiming
    expect(await recovery().runOnce()).toBe(1)
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', attempt: 0, lost: 0 })
  })

  test('takes what another process has found and was frozen before it could write it', async () => {
    const id = await lostJob()
    const frozen = await lockLostJobs(db.pool, { limit: 10 })
    expect(frozen.map((job) => job.id)).toEqual([id])
    expect(await recovery().runOnce()).toBe(1)
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', lost: 1 })
    // It goes on, and comes too late.
    const late = await recoverJobs(
      db.pool,
      frozen.map((job) => decideLost(job)),
      keeping,
    )
    expect(late.size).toBe(0)
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', lost: 1 })
  })

  test('decides anew about a job that somebody asks to cancel between the look and the write', async () => {
    const id = await lostJob()
    const found = await lockLostJobs(db.pool, { limit: 10 })
    await db.sql(`update forgeq.jobs set cancel_requested_at = clock_timestamp() where id = $1`, id)
    const decided = found.map((job) => decideLost(job))
    expect((await recoverJobs(db.pool, decided, keeping)).size).toBe(0)
    expect(await recovery().runOnce()).toBe(1)
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'cancelled', lost: 1 })
  })

  test('takes each job once, however many processes look', async () => {
    const session = await insertSession(db.pool, { expiresInMs: -1 })
    await db.sql(`insert into forgeq.session_starts (session_id, queue, upto) values ($1, 'crowd', 10000)`, session)
    await db.sql(
      `insert into forgeq.jobs (id, queue, type, state, run_at, created_at, payload, max_attempts, attempt, token, session_id, lease_no, started_at)
       select gen_random_uuid(), 'crowd', 'test', 'running', clock_timestamp(), clock_timestamp(), '{}', 25, 1, 1, $1, n, clock_timestamp()
         from generate_series(1, 1200) as n`,
      session,
    )
    const taken = await Promise.all(Array.from({ length: 6 }, () => recovery().runOnce()))
    expect(taken.reduce((a, b) => a + b, 0)).toBe(1_200)
    expect(
      await db.sql(
        `select state, attempt, lost, count(*)::int as n from forgeq.jobs where queue = 'crowd' group by 1, 2, 3`,
      ),
    ).toEqual([{ state: 'pending', attempt: 1, lost: 1, n: 1_200 }])
  })

  test('takes the jobs of a dead worker back in time although the clock was set back by an hour', async () => {
    const session = await insertSession(db.pool, { expiresInMs: 3_600_000 + 200, startedUpto: 1 })
    await db.sql(
      `update forgeq.sessions set last_heartbeat_at = clock_timestamp() + interval '1 hour' where id = $1`,
      session,
    )
    const id = await insertJob(db.pool, { state: 'running', session })
    const one = recovery()
    await one.runOnce()
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'running' })
    await until('its lease is over', async () => (await one.runOnce()) === 1)
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', lost: 1 })
  })

  test('reads in a pass what grows with the workers, not with the jobs that they run', async () => {
    await db.sql(
      `with session as (
         insert into forgeq.sessions (id, name, host, pid, version, queues, types, concurrency, expires_at)
         select gen_random_uuid(), 'many', 'h', n, 't', '{}', '{}', 10, clock_timestamp() + interval '1 hour' from generate_series(1, 20) as n
         returning id)
       insert into forgeq.jobs (id, queue, type, state, run_at, created_at, payload, max_attempts, attempt, token, session_id, lease_no, started_at)
       select gen_random_uuid(), 'many', 'test', 'running', clock_timestamp(), clock_timestamp(), '{}', 25, 1, 1, session.id, n, clock_timestamp()
         from session, generate_series(1, 500) as n`,
    )
    const read = async () => {
      const statement = await statementOf((on) => lockLostJobs(on, { limit: 500 }))
      const connection = await connect(db.connection, 'plans')
      await prepare(connection, 'lost', statement)
      const plan = await explainPrepared(connection, 'lost', statement.values, { analyze: true })
      await connection.close()
      return readsOf(plan, /^jobs$/).reduce(
        (n, node) => n + (node['Actual Rows'] ?? 0) * (node['Actual Loops'] ?? 0),
        0,
      )
    }
    // One leap a worker, and what the tests before have left.
    expect(await read()).toBeLessThan(100)
  })

  test('wakes when a session expires, long before its interval is over', async () => {
    looping = recovery({ recoveryIntervalMs: 60_000 })
    const session = await insertSession(db.pool, { expiresInMs: 400, startedUpto: 1 })
    const id = await insertJob(db.pool, { state: 'running', session })
    looping.start()
    const job = await jobIn(db.pool, id, 'pending', { withinMs: 2_000 })
    expect(job.lost).toBe(1)
  })
})
