import { uuidv7 } from 'uuidv7'
import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { isForgeQError } from '../../src/errors.ts'
import { keepingOf } from '../../src/queue/create.ts'
import { completeJobs } from '../../src/store/complete.ts'
import { completeInTransaction } from '../../src/store/complete-in-transaction.ts'
import { finishJobs, finishKeyedJobs, requeueJobs } from '../../src/store/outcomes.ts'
import { writeProgress } from '../../src/store/progress.ts'
import { recoverJobs } from '../../src/store/recovery.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, insertSession, jobOf } from '../support/factory.ts'
import { completed, ERROR, failed, held, type Held, reporterOf } from '../support/lease.ts'

const db = testDatabase()
const keeping = keepingOf(DEFAULTS)

/** Each acts in the name of a lease; resolves to whether the store took it. */
const FENCED: Record<string, (lease: Held) => Promise<boolean>> = {
  finish: async (lease) =>
    (await finishJobs(db.pool, reporterOf(lease.sessionId), [completed(lease)], keeping)).has(lease.id),
  complete: async ({ id, token, sessionId }) =>
    (
      await completeJobs(
        db.pool,
        reporterOf(sessionId),
        [{ id, token, leaseNo: 1, resultJson: '1', ranMs: 5 }],
        keeping,
      )
    ).has(id),
  'complete in a transaction': ({ id, token, sessionId }) =>
    db.pool
      .transaction((tx) =>
        completeInTransaction(tx, reporterOf(sessionId), { id, token, resultJson: '1', ranMs: 5 }, keeping),
      )
      .then(
        () => true,
        (error: unknown) => {
          if (isForgeQError(error, 'lease_lost')) return false
          throw error
        },
      ),
  'finish with a key': async (lease) =>
    (await finishKeyedJobs(db.pool, reporterOf(lease.sessionId), [completed(lease)], keeping)).has(lease.id),
  requeue: async (lease) =>
    (await requeueJobs(db.pool, reporterOf(lease.sessionId), [failed(lease)], keeping)).has(lease.id),
  progress: async (lease) => {
    await writeProgress(db.pool, lease.sessionId, [{ id: lease.id, token: lease.token, value: 0.5, message: 'half' }])
    return (await jobOf(db.pool, lease.id)).progress !== undefined
  },
  recover: async (lease) => {
    // The session that is named is over, whichever it is: only the lease decides.
    await db.sql(
      `update forgeq.sessions set ended_at = clock_timestamp(), end_reason = 'stopped' where id = $1`,
      lease.sessionId,
    )
    const decided = { ...lease, state: 'pending' as const, delayMs: 0, counted: true, error: ERROR }
    return (await recoverJobs(db.pool, [decided], keeping)).size === 1
  },
}

describe.each(Object.keys(FENCED))('%s', (name) => {
  const act = FENCED[name]!
  const refuses = async (lease: Held, change: Partial<Held>) => {
    const before = await jobOf(db.pool, lease.id)
    expect(await act({ ...lease, ...change })).toBe(false)
    expect(await jobOf(db.pool, lease.id)).toEqual(before)
  }

  test('is taken from the lease that holds the job', async () => expect(await act(await held(db.pool))).toBe(true))
  test('is refused to another session with the right token', async () =>
    refuses(await held(db.pool), { sessionId: await insertSession(db.pool) }))
  test('is refused to an earlier token', async () => refuses(await held(db.pool), { token: 4 }))
  test('is refused to a token that does not exist yet', async () => refuses(await held(db.pool), { token: 6 }))
  test('is refused for a job that waits', async () => {
    const id = await insertJob(db.pool, { attempt: 3, token: 5 })
    await refuses({ id, token: 5, sessionId: await insertSession(db.pool) }, {})
  })
  test('is refused for a job that has ended', async () => {
    const lease = await held(db.pool)
    await finishJobs(db.pool, reporterOf(lease.sessionId), [completed(lease)], keeping)
    await refuses(lease, {})
  })
  test('is refused for a job that has been deleted or never was', async () => {
    expect(
      await act({ id: uuidv7(), token: 1, sessionId: await insertSession(db.pool) }).catch(
        (error: Error) => error.message,
      ),
    ).toSatisfy((result) => result === false || /no job/.test(String(result)))
  })
  test('of one job in a batch is no matter of the others', async () => {
    if (name !== 'finish' && name !== 'requeue') return
    const sessionId = await insertSession(db.pool)
    const batch: Held[] = []
    for (const token of [5, 4, 5]) batch.push({ ...(await held(db.pool, { session: sessionId })), token, sessionId })
    const accepted =
      name === 'finish'
        ? await finishJobs(db.pool, reporterOf(sessionId), batch.map(completed), keeping)
        : await requeueJobs(db.pool, reporterOf(sessionId), batch.map(failed), keeping)
    expect([...accepted.keys()].sort()).toEqual([batch[0]!.id, batch[2]!.id].sort())
  })
  test('of two leases of one job in one batch takes the one that holds', async () => {
    if (name !== 'finish' && name !== 'requeue') return
    for (const order of [
      [4, 5],
      [5, 4],
    ]) {
      const lease = await held(db.pool)
      const batch = order.map((token) => ({ ...lease, token }))
      const accepted =
        name === 'finish'
          ? await finishJobs(
              db.pool,
              reporterOf(lease.sessionId),
              batch.map((one) => ({ ...completed(one), resultJson: `${one.token}` })),
              keeping,
            )
          : await requeueJobs(
              db.pool,
              reporterOf(lease.sessionId),
              batch.map((one) => ({ ...failed(one), error: { ...ERROR, message: `${one.token}` } })),
              keeping,
            )
      expect(accepted.size).toBe(1)
      expect(await jobOf(db.pool, lease.id)).toMatchObject(
        name === 'finish' ? { resultJson: '5' } : { error: { message: '5' } },
      )
    }
  })
})
