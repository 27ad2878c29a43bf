import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { decideLost } from '../../src/loops/lost-jobs.ts'
import { keepingOf } from '../../src/queue/create.ts'
import type { Database } from '../../src/store/database.ts'
import { lookAround } from '../../src/store/look.ts'
import { lockLostJobs, recoverJobs } from '../../src/store/recovery.ts'
import { endExpiredSessions, endSession, pruneSessions } from '../../src/store/sessions.ts'
import { untilWaiting } from '../support/caller.ts'
import { rawSql, testDatabase } from '../support/database.ts'
import { insertJob, insertSession, jobOf } from '../support/factory.ts'

const db = testDatabase()
const keeping = keepingOf(DEFAULTS)
const GATE = 4711

/** Once the statement has taken its snapshot it waits for the gate, before it looks at any row. */
const gated = (inner: Database): Database => ({
  query: (statement) =>
    inner.query({
      ...statement,
      prepared: '',
      text: statement.text.replace(
        'where job.session_id = any',
        `where (select pg_advisory_xact_lock_shared(${GATE})::text) is not null and job.session_id = any`,
      ),
    }),
})

/** Recovery looks; while it is between its look and its locks `meanwhile` happens and commits. Resolves to how many it locked and wrote. */
async function recoverWhile(meanwhile: () => Promise<unknown>): Promise<{ locked: number; written: number }> {
  let recovering: Promise<{ locked: number; written: number }> | undefined
  await db.pool.transaction(async (holder) => {
    await rawSql(holder, 'select pg_advisory_xact_lock($1)', [GATE])
    recovering = db.pool.transaction(async (tx) => {
      const lost = await lockLostJobs(gated(tx), { limit: 100 })
      const decided = lost.map((job) => decideLost(job))
      return { locked: lost.length, written: (await recoverJobs(tx, decided, keeping)).size }
    })
    await untilWaiting(db, 1)
    await meanwhile()
  })
  return recovering!
}

const leaseAnew = (id: string, session: string) =>
  db.sql(
    `update forgeq.jobs set session_id = $2, token = token + 1, attempt = attempt + 1, lease_no = 1 where id = $1`,
    id,
    session,
  )

describe('recovery', () => {
  test('takes what it has seen when nothing happens meanwhile', async () => {
    const session = await insertSession(db.pool, { expiresInMs: -1, startedUpto: 1 })
    const id = await insertJob(db.pool, { state: 'running', session })
    expect(await recoverWhile(() => Promise.resolve())).toEqual({ locked: 1, written: 1 })
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', lost: 1 })
  })

  test('leaves a job alone that a live session has leased between the look and the lock', async () => {
    const live = await insertSession(db.pool)
    const id = await insertJob(db.pool, {
      state: 'running',
      session: await insertSession(db.pool, { expiresInMs: -1 }),
    })
    expect(await recoverWhile(() => leaseAnew(id, live))).toEqual({ locked: 0, written: 0 })
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'running', lost: 0, attempt: 2, worker: { id: live } })
  })

  test('leaves a job alone that a session has leased which registered between the look and the lock', async () => {
    const id = await insertJob(db.pool, {
      state: 'running',
      session: await insertSession(db.pool, { expiresInMs: -1 }),
    })
    let live = ''
    expect(
      await recoverWhile(async () => {
        live = await insertSession(db.pool)
        await leaseAnew(id, live)
      }),
    ).toMatchObject({ written: 0 })
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'running', lost: 0, attempt: 2, worker: { id: live } })
  })

  test('leaves a job alone that has ended between the look and the lock', async () => {
    const id = await insertJob(db.pool, {
      state: 'running',
      session: await insertSession(db.pool, { expiresInMs: -1 }),
    })
    expect(await recoverWhile(() => db.sql('delete from forgeq.jobs where id = $1', id))).toEqual({
      locked: 0,
      written: 0,
    })
  })

  test('is not held up by a row that somebody else has locked, and takes it with the next pass', async () => {
    const session = await insertSession(db.pool, { ended: 'stopped' })
    const [locked, free] = [
      await insertJob(db.pool, { state: 'running', session }),
      await insertJob(db.pool, { state: 'running', session }),
    ]
    await db.pool.transaction(async (tx) => {
      await rawSql(tx, 'select from forgeq.jobs where id = $1 for update', [locked])
      expect((await lockLostJobs(db.pool, { limit: 10 })).map(({ id }) => id)).toEqual([free])
    })
    expect((await lockLostJobs(db.pool, { limit: 10 })).map(({ id }) => id).sort()).toEqual([locked, free].sort())
    expect(await lockLostJobs(db.pool, { limit: 1 })).toHaveLength(1)
    await db.sql('delete from forgeq.jobs')
  })

  test('takes jobs of a session that is not there at all', async () => {
    const id = await insertJob(db.pool, { state: 'running' })
    expect(await lockLostJobs(db.pool, { limit: 10 })).toMatchObject([{ id, mayHaveStarted: true }])
    await db.sql('delete from forgeq.jobs')
  })
})

describe('sessions', () => {
  test('end once, with a reason, and are forgotten a day later with their notes', async () => {
    await db.sql('truncate forgeq.sessions, forgeq.session_starts')
    const [live, expired, stopped, old, holding] = [
      await insertSession(db.pool),
      await insertSession(db.pool, { expiresInMs: -1 }),
      await insertSession(db.pool, { ended: 'stopped', endedMsAgo: 23 * 3_600_000 }),
      await insertSession(db.pool, { ended: 'stopped', endedMsAgo: 25 * 3_600_000, startedUpto: 3 }),
      await insertSession(db.pool, { ended: 'stopped', endedMsAgo: 25 * 3_600_000, startedUpto: 3 }),
    ]
    await insertJob(db.pool, { state: 'running', session: holding })
    expect((await lookAround(db.pool, { guess: false })).expiryMs).toBeLessThanOrEqual(0)
    expect(await endExpiredSessions(db.pool)).toBe(1)
    expect(await endExpiredSessions(db.pool)).toBe(0)
    expect((await lookAround(db.pool, { guess: false })).expiryMs).toBeGreaterThan(5_000)
    await endSession(db.pool, { sessionId: expired, reason: 'stopped' })
    const reasons = await db.sql<{ id: string; end_reason: string }>(
      'select id, end_reason from forgeq.sessions where id = $1',
      expired,
    )
    expect(reasons).toEqual([{ id: expired, end_reason: 'lease expired' }])
    expect(await pruneSessions(db.pool, { limit: 10 })).toBe(1)
    const left = (await db.sql<{ id: string }>('select id from forgeq.sessions')).map(({ id }) => id)
    expect(left.sort()).toEqual([live, expired, stopped, holding].sort())
    expect(left).not.toContain(old)
    expect(await db.sql('select session_id from forgeq.session_starts')).toEqual([{ session_id: holding }])
  })
})
