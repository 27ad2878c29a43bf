import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { decideLost } from '../../src/loops/lost-jobs.ts'
import { keepingOf } from '../../src/queue/create.ts'
import { lockLostJobs, recoverJobs, syncLeases } from '../../src/store/recovery.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, jobOf } from '../support/factory.ts'
import { held } from '../support/lease.ts'

const db = testDatabase()
const keeping = keepingOf(DEFAULTS)
describe('sync', () => {
  const sync = (sessionId: string, fields: Partial<Parameters<typeof syncLeases>[1]> = {}) =>
    syncLeases(db.pool, { sessionId, upto: 100, known: [], maxGivenBack: 3, ...fields })

  test('gives back what the session holds and the worker does not know, at no attempt', async () => {
    const { id, sessionId } = await held(db.pool)
    const known = await insertJob(db.pool, { state: 'running', session: sessionId, token: 2 })
    const other = await held(db.pool)
    expect(await sync(sessionId, { known: [{ id: known, token: 2 }] })).toEqual({ givenBack: 1, cancelling: [] })
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', attempt: 2, lost: 0, attempts: [] })
    expect(await jobOf(db.pool, known)).toMatchObject({ state: 'running' })
    expect(await jobOf(db.pool, other.id)).toMatchObject({ state: 'running' })
    const [row] = await db.sql('select token, given_back from forgeq.jobs where id = $1', id)
    expect(row).toEqual({ token: 5, given_back: 1 })
  })

  test('gives back a lease of a job that the worker still runs under an older one', async () => {
    const { id, token, sessionId } = await held(db.pool)
    expect(await sync(sessionId, { known: [{ id, token: token - 1 }] })).toEqual({ givenBack: 1, cancelling: [] })
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', attempt: 2, lost: 0 })
    expect(
      await sync(sessionId, {
        known: [
          { id, token },
          { id, token: token - 1 },
        ],
      }),
    ).toMatchObject({ givenBack: 0 })
  })

  test('leaves alone what was leased after the newest that the worker names', async () => {
    const { id, sessionId } = await held(db.pool, { leaseNo: 8 })
    expect(await sync(sessionId, { upto: 7 })).toEqual({ givenBack: 0, cancelling: [] })
    expect((await jobOf(db.pool, id)).state).toBe('running')
    expect(await sync(sessionId, { upto: 8 })).toMatchObject({ givenBack: 1 })
  })

  test('names what is to be cancelled instead', async () => {
    const { id, token, sessionId } = await held(db.pool, { cancelRequested: true })
    expect(await sync(sessionId)).toEqual({ givenBack: 0, cancelling: [{ id, token }] })
    expect((await jobOf(db.pool, id)).state).toBe('running')
  })

  test('leaves to recovery, as lost, what has been given back three times before', async () => {
    const { id, sessionId } = await held(db.pool, { givenBack: 3 })
    await sync(sessionId)
    const lost = await db.pool.transaction(async (tx) => {
      const found = (await lockLostJobs(tx, { limit: 100 })).filter((job) => job.id === id)
      await recoverJobs(
        tx,
        found.map((job) => decideLost(job)),
        keeping,
      )
      return found
    })
    expect(lost).toMatchObject([{ mayHaveStarted: true, attempt: 3 }])
    expect(await jobOf(db.pool, id)).toMatchObject({
      state: 'pending',
      attempt: 3,
      lost: 1,
      attempts: [{ outcome: 'lost' }],
    })
  })
})
