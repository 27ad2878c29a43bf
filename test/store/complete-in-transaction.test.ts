import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { findLease } from '../../src/store/complete-in-transaction.ts'
import { finishKeyedJobs } from '../../src/store/outcomes.ts'
import { withCaller } from '../support/caller.ts'
import { testDatabase } from '../support/database.ts'
import { jobOf } from '../support/factory.ts'
import { completed, held, type Held, reporterOf } from '../support/lease.ts'
import { beginWithEffect, complete, effectsIn, keeping } from './completing-caller.ts'

const db = testDatabase()
const effectsOf = effectsIn(db)

/** The columns of the history that a road to an end could write differently. */
const historyOf = async (id: string) => {
  const [row] = await db.sql(
    `select queue, type, state, reason, result::text, attempt, lost, token, session_id, worker::text, error, attempts, progress::text, delete_after,
            extract(epoch from finished_at - started_at)::float8 as ran
       from forgeq.finished_jobs where id = $1`,
    id,
  )
  return row
}

async function insertKey(key: string, jobId: string): Promise<void> {
  await db.sql(`insert into forgeq.idempotency_keys (key, job_id, meaning) values ($1, $2, 'm')`, key, jobId)
}
const keyOf = async (key: string) =>
  (
    await db.sql(
      `select state, round(extract(epoch from expires_at - clock_timestamp()))::int as seconds from forgeq.idempotency_keys where key = $1`,
      key,
    )
  )[0]

describe('a completion in a transaction of its handler', () => {
  test('is there with the commit, together with what else was written, and not a moment before', async () => {
    const lease = await held(db.pool)
    await withCaller(db, async (caller) => {
      await beginWithEffect(caller, lease.id)
      await complete(caller, lease)
      expect(await jobOf(db.pool, lease.id)).toMatchObject({ state: 'running' })
      expect(await effectsOf(lease.id)).toBe(0)
      await caller.query('commit')
    })
    expect(await jobOf(db.pool, lease.id)).toMatchObject({ state: 'completed', resultJson: '{"a": 1.10}', attempt: 3 })
    expect(await effectsOf(lease.id)).toBe(1)
  })

  test('writes the history that an outcome of the worker writes', async () => {
    const fields = { queue: 'same', tags: ['t'], lost: 1 }
    const [mine, theirs] = [await held(db.pool, { ...fields, key: 'm' }), await held(db.pool, { ...fields, key: 't' })]
    await withCaller(db, async (caller) => {
      await caller.query('begin')
      await complete(caller, mine)
      await caller.query('commit')
    })
    const outcome = { ...completed(theirs), resultJson: '{"a":1.10}', ranMs: 1_500 }
    await finishKeyedJobs(db.pool, reporterOf(theirs.sessionId), [outcome], keeping)
    const [own, other] = [await historyOf(mine.id), await historyOf(theirs.id)]
    const rest = { session_id: '', worker: '', ran: 0 }
    expect({ ...own, ...rest }).toEqual({ ...other, ...rest })
    expect(own).toMatchObject({ session_id: mine.sessionId, ran: expect.closeTo(1.5, 1) as number })
    expect(JSON.parse(own!['worker'] as string)).toEqual(reporterOf(mine.sessionId).worker)
  })

  test('has not happened when the transaction is rolled back, whole or to a savepoint', async () => {
    const lease = await held(db.pool, { key: 'rolled-back' })
    await insertKey('rolled-back', lease.id)
    await db.sql('delete from forgeq.count_deltas')
    const before = await jobOf(db.pool, lease.id)
    await withCaller(db, async (caller) => {
      await beginWithEffect(caller, lease.id)
      await complete(caller, lease)
      await caller.query('rollback')
      await caller.query('begin; savepoint one')
      await complete(caller, lease)
      await caller.query('rollback to savepoint one')
      await caller.query('commit')
    })
    expect(await jobOf(db.pool, lease.id)).toEqual(before)
    expect(await effectsOf(lease.id)).toBe(0)
    expect(await keyOf('rolled-back')).toEqual({ state: null, seconds: null })
    expect(await db.sql('select from forgeq.count_deltas')).toEqual([])
    expect(await findLease(db.pool, lease.sessionId, lease)).toBe('free')
  })

  test('has not happened when the connection breaks before the commit', async () => {
    const lease = await held(db.pool)
    await withCaller(db, async (caller) => {
      caller.on('error', () => {})
      await beginWithEffect(caller, lease.id)
      await complete(caller, lease)
      await db.sql('select pg_terminate_backend($1)', (caller as unknown as { processID: number }).processID)
      await expect(caller.query('commit')).rejects.toThrow()
    }).catch(() => {})
    expect(await jobOf(db.pool, lease.id)).toMatchObject({ state: 'running' })
    expect(await effectsOf(lease.id)).toBe(0)
  })

  test('begins the days of its key and counts the end', async () => {
    const lease = await held(db.pool, { key: 'counted', queue: 'counted' })
    await insertKey('counted', lease.id)
    await db.sql('delete from forgeq.count_deltas')
    await withCaller(db, async (caller) => {
      await caller.query('begin')
      await complete(caller, lease)
      await caller.query('commit')
    })
    expect(await keyOf('counted')).toEqual({ state: 'completed', seconds: DEFAULTS.idempotencyMs / 1000 })
    expect(await db.sql('select queue, event, n from forgeq.count_deltas')).toEqual([
      { queue: 'counted', event: 'completed', n: 1 },
    ])
  })

  test('stays for as long as its job or the retention says', async () => {
    const daysOf = async (lease: Held) =>
      (
        await db.sql(
          `select delete_after - (clock_timestamp() at time zone 'utc')::date as days from forgeq.finished_jobs where id = $1`,
          lease.id,
        )
      )[0]!['days']
    const [plain, kept] = [await held(db.pool), await held(db.pool)]
    await db.sql(`update forgeq.jobs set keep_for_ms = $2 where id = $1`, kept.id, 3 * 86_400_000)
    await withCaller(db, async (caller) => {
      await caller.query('begin')
      await complete(caller, plain)
      await complete(caller, kept)
      await caller.query('commit')
    })
    expect([await daysOf(plain), await daysOf(kept)]).toEqual([7, 3])
  })

  test.each(['read committed', 'repeatable read', 'serializable'])(
    "is the same whatever the caller's session thinks of times and names, under %s",
    async (isolation) => {
      const lease = await held(db.pool)
      await withCaller(db, async (caller) => {
        for (const setting of [
          `TimeZone = 'Pacific/Chatham'`,
          `DateStyle = 'SQL, DMY'`,
          `IntervalStyle = 'sql_standard'`,
          `search_path = ''`,
          `standard_conforming_strings = on`,
        ])
          await caller.query(`set ${setting}`)
        await caller.query(`begin isolation level ${isolation}`)
        await complete(caller, lease)
        await caller.query('commit')
      })
      const job = await jobOf(db.pool, lease.id)
      expect(job).toMatchObject({ state: 'completed', resultJson: '{"a": 1.10}' })
      expect(Math.abs(Date.parse(job.finishedAt!) - Date.now())).toBeLessThan(60_000)
    },
  )
})
