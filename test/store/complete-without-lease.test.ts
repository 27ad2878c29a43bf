import { describe, expect, test } from 'vitest'
import { isForgeQError } from '../../src/errors.ts'
import { callersTransaction } from '../../src/store/caller-transaction.ts'
import { abortTransaction } from '../../src/store/complete-in-transaction.ts'
import { acceptedBefore, finishKeyedJobs, requeueJobs } from '../../src/store/outcomes.ts'
import { untilWaiting, withCaller } from '../support/caller.ts'
import { testDatabase } from '../support/database.ts'
import { insertSession, jobOf } from '../support/factory.ts'
import { completed, failed, held, type Held, reporterOf } from '../support/lease.ts'
import { beginWithEffect, complete, effectsIn, keeping } from './completing-caller.ts'

const db = testDatabase()
const effectsOf = effectsIn(db)

describe('a lease that no longer holds', () => {
  const wrong: [string, (lease: Held) => Held | Promise<Held>][] = [
    ['of another session', async (lease) => ({ ...lease, sessionId: await insertSession(db.pool) })],
    ['of an earlier token', (lease) => ({ ...lease, token: lease.token - 1 })],
    [
      'of a job that waits again',
      async (lease) => {
        await requeueJobs(db.pool, reporterOf(lease.sessionId), [failed(lease)], keeping)
        return lease
      },
    ],
    [
      'of a job that has ended',
      async (lease) => {
        await finishKeyedJobs(db.pool, reporterOf(lease.sessionId), [completed(lease)], keeping)
        return lease
      },
    ],
  ]

  test.each(wrong)('%s: what was written beside it cannot be committed, whatever the handler does', async (_, bend) => {
    const lease = await held(db.pool)
    const bent = await bend(lease)
    const before = await jobOf(db.pool, lease.id)
    await withCaller(db, async (caller) => {
      await beginWithEffect(caller, lease.id)
      await expect(complete(caller, bent)).rejects.toMatchObject({ code: 'lease_lost', details: { id: lease.id } })
      await expect(caller.query('insert into effects values ($1)', [lease.id])).rejects.toMatchObject({ code: '25P02' })
      expect((await caller.query('commit')).command).toBe('ROLLBACK')
    })
    expect(await effectsOf(lease.id)).toBe(0)
    expect(await jobOf(db.pool, lease.id)).toEqual(before)
  })

  test('is told apart from errors of the database, which come as the driver gives them', async () => {
    const lease = await held(db.pool)
    await withCaller(db, async (caller) => {
      await caller.query('begin')
      await caller.query('select 1/0').catch(() => {})
      await expect(complete(caller, lease)).rejects.toMatchObject({ code: '25P02' })
      await caller.query('rollback')
      await caller.query('begin')
      const refused = await complete(caller, lease, '{').catch((error: unknown) => error)
      expect(isForgeQError(refused)).toBe(false)
      expect(refused).toMatchObject({ code: '22P02' })
      await caller.query('rollback')
    })
    expect(await jobOf(db.pool, lease.id)).toMatchObject({ state: 'running' })
  })

  test('of a transaction that was given up can no longer be used for anything', async () => {
    const lease = await held(db.pool)
    await withCaller(db, async (caller) => {
      await beginWithEffect(caller, lease.id)
      await abortTransaction(callersTransaction(caller), 'a test')
      expect((await caller.query('commit')).command).toBe('ROLLBACK')
    })
    expect(await effectsOf(lease.id)).toBe(0)
  })
})

describe('the same completion again', () => {
  test('is refused after the commit, and is known as the one that was accepted', async () => {
    const lease = await held(db.pool)
    await withCaller(db, async (caller) => {
      await caller.query('begin')
      await complete(caller, lease)
      await caller.query('commit')
      await caller.query('begin')
      await expect(complete(caller, lease)).rejects.toMatchObject({ code: 'lease_lost' })
      await caller.query('rollback')
    })
    expect(await acceptedBefore(db.pool, lease.sessionId, [lease])).toEqual(new Map([[lease.id, 'completed']]))
  })

  test('waits for the first when both are under way, and only one of them takes effect', async () => {
    const lease = await held(db.pool)
    await withCaller(db, (first) =>
      withCaller(db, async (second) => {
        await beginWithEffect(first, lease.id)
        await complete(first, lease, '1')
        await beginWithEffect(second, lease.id)
        const late = complete(second, lease, '2').catch((error: unknown) => error)
        await untilWaiting(db, 1)
        await first.query('commit')
        expect(await late).toMatchObject({ code: 'lease_lost' })
        await second.query('commit')
      }),
    )
    expect(await jobOf(db.pool, lease.id)).toMatchObject({ state: 'completed', resultJson: '1' })
    expect(await effectsOf(lease.id)).toBe(1)
  })
})
