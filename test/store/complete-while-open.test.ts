import { describe, expect, test } from 'vitest'
import { createRecovery } from '../../src/loops/recovery.ts'
import { findLease } from '../../src/store/complete-in-transaction.ts'
import { writeProgress } from '../../src/store/progress.ts'
import { withCaller } from '../support/caller.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, insertSession, jobOf } from '../support/factory.ts'
import { held } from '../support/lease.ts'
import { loopContext } from '../support/loops.ts'
import { beginWithEffect, complete, effectsIn } from './completing-caller.ts'

const db = testDatabase()
const effectsOf = effectsIn(db)
const recovery = () => createRecovery(loopContext(db.pool))

describe("a job whose handler's transaction is open", () => {
  const ending: [string, string][] = [
    ['commits', 'completed'],
    ['rolls back', 'pending'],
  ]

  test.each(ending)('is left alone by recovery, which takes the others, until it %s late', async (how, becomes) => {
    const session = await insertSession(db.pool, { startedUpto: 10 })
    const open = await insertJob(db.pool, { state: 'running', session, leaseNo: 1 })
    const others: string[] = []
    for (let leaseNo = 2; leaseNo <= 4; leaseNo++)
      others.push(await insertJob(db.pool, { state: 'running', session, leaseNo }))
    await withCaller(db, async (caller) => {
      await beginWithEffect(caller, open)
      await complete(caller, { id: open, token: 1, sessionId: session })
      await db.sql(`update forgeq.sessions set expires_at = clock_timestamp() - interval '1 s' where id = $1`, session)
      expect(await recovery().runOnce()).toBe(3)
      for (const id of others) expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', lost: 1 })
      expect(await recovery().runOnce()).toBe(0)
      await caller.query(how === 'commits' ? 'commit' : 'rollback')
    })
    expect(await recovery().runOnce()).toBe(how === 'commits' ? 0 : 1)
    expect(await jobOf(db.pool, open)).toMatchObject({ state: becomes, lost: how === 'commits' ? 0 : 1 })
    expect(await effectsOf(open)).toBe(how === 'commits' ? 1 : 0)
  })

  test('cannot be committed when recovery was faster', async () => {
    const session = await insertSession(db.pool, { startedUpto: 10 })
    const id = await insertJob(db.pool, { state: 'running', session })
    await withCaller(db, async (caller) => {
      await beginWithEffect(caller, id)
      await db.sql(`update forgeq.sessions set expires_at = clock_timestamp() - interval '1 s' where id = $1`, session)
      expect(await recovery().runOnce()).toBe(1)
      await expect(complete(caller, { id, token: 1, sessionId: session })).rejects.toMatchObject({ code: 'lease_lost' })
      await caller.query('commit')
    })
    expect(await effectsOf(id)).toBe(0)
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending' })
  })

  test('is locked for the outcome of its run, which does not wait for it', async () => {
    const lease = await held(db.pool)
    await withCaller(db, async (caller) => {
      await caller.query('begin')
      await complete(caller, lease)
      expect(await findLease(db.pool, lease.sessionId, lease)).toBe('locked')
      await caller.query('rollback')
      expect(await findLease(db.pool, lease.sessionId, lease)).toBe('free')
      expect(await findLease(db.pool, lease.sessionId, { ...lease, token: 4 })).toBe('gone')
      await caller.query('begin')
      await complete(caller, lease)
      await caller.query('commit')
      expect(await findLease(db.pool, lease.sessionId, lease)).toBe('gone')
    })
  })

  test("does not hold up the others' progress", async () => {
    const sessionId = await insertSession(db.pool)
    const [open, other] = [await held(db.pool, { session: sessionId }), await held(db.pool, { session: sessionId })]
    await withCaller(db, async (caller) => {
      await caller.query('begin')
      await complete(caller, { ...open, sessionId })
      await writeProgress(
        db.pool,
        sessionId,
        [open, other].map(({ id, token }) => ({ id, token, value: 0.5 })),
      )
      await caller.query('rollback')
    })
    expect((await jobOf(db.pool, other.id)).progress).toMatchObject({ value: 0.5 })
    expect((await jobOf(db.pool, open.id)).progress).toBeUndefined()
  })
})
