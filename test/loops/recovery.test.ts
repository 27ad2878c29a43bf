import { describe, expect, test } from 'vitest'
import { createRecovery } from '../../src/loops/recovery.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, insertSession, jobOf } from '../support/factory.ts'
import { loopContext } from '../support/loops.ts'

const db = testDatabase()
const recovery = () => createRecovery(loopContext(db.pool))

describe('recovery', () => {
  test('gives a lost job back with the cause, counted as an attempt and as lost', async () => {
    const session = await insertSession(db.pool, { expiresInMs: -1, startedUpto: 1 })
    const id = await insertJob(db.pool, { state: 'running', session })
    expect(await recovery().runOnce()).toBe(1)
    const job = await jobOf(db.pool, id)
    expect(job).toMatchObject({ state: 'pending', attempt: 1, lost: 1 })
    expect(job.attempts).toMatchObject([
      {
        attempt: 1,
        outcome: 'lost',
        error: { message: expect.stringContaining('lease expired: worker w, host h, pid 1') },
      },
    ])
  })

  test('gives a job back at no cost that lay in the buffer of the lost worker', async () => {
    const session = await insertSession(db.pool, { expiresInMs: -1, startedUpto: 3 })
    const id = await insertJob(db.pool, { state: 'running', session, leaseNo: 4 })
    await recovery().runOnce()
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', attempt: 0, lost: 0, attempts: [] })
  })

  test('ends a job that was lost for the third time', async () => {
    const session = await insertSession(db.pool, { expiresInMs: -1, startedUpto: 1 })
    const id = await insertJob(db.pool, { state: 'running', session, lost: 2, attempt: 3, token: 3 })
    await recovery().runOnce()
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'dead', reason: 'lost', lost: 3, attempt: 3 })
  })

  test('leaves the jobs of a live session alone', async () => {
    const session = await insertSession(db.pool, { startedUpto: 1 })
    const id = await insertJob(db.pool, { state: 'running', session })
    expect(await recovery().runOnce()).toBe(0)
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'running' })
  })
})
