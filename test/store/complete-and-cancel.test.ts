import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { createJobQueue } from '../../src/queue/create.ts'
import { untilWaiting, withCaller } from '../support/caller.ts'
import { testDatabase } from '../support/database.ts'
import { jobOf } from '../support/factory.ts'
import { held } from '../support/lease.ts'
import { complete } from './completing-caller.ts'

const db = testDatabase()
const jobs = () => createJobQueue(db.pool, DEFAULTS).jobs

describe('a wish to cancel', () => {
  test('that came before does not undo a completion', async () => {
    const lease = await held(db.pool, { cancelRequested: true })
    await withCaller(db, async (caller) => {
      await caller.query('begin')
      await complete(caller, lease)
      await caller.query('commit')
    })
    expect(await jobOf(db.pool, lease.id)).toMatchObject({ state: 'completed' })
    expect((await jobOf(db.pool, lease.id)).reason).toBeUndefined()
  })

  test.each(['commit', 'rollback'])('that comes while the transaction is open waits for its %s', async (end) => {
    const lease = await held(db.pool)
    await withCaller(db, async (caller) => {
      await caller.query('begin')
      await complete(caller, lease)
      const cancelled = jobs()
        .cancel(lease.id)
        .catch((error: unknown) => error)
      await untilWaiting(db, 1)
      await caller.query(end)
      if (end === 'commit')
        expect(await cancelled).toMatchObject({ code: 'wrong_state', details: { state: 'completed' } })
      else expect(await cancelled).toMatchObject({ state: 'running', cancelRequestedAt: expect.any(String) as string })
    })
  })

  test('does not wait for ever for a transaction that stays open, and changes nothing then', async () => {
    const lease = await held(db.pool)
    await withCaller(db, async (caller) => {
      await caller.query('begin')
      await complete(caller, lease)
      await expect(jobs().cancel(lease.id)).rejects.toMatchObject({ code: 'unavailable' })
      await caller.query('commit')
    })
    expect(await jobOf(db.pool, lease.id)).toMatchObject({ state: 'completed' })
    expect((await jobOf(db.pool, lease.id)).cancelRequestedAt).toBeUndefined()
  })
})
