import pg from 'pg'
import { beforeAll, describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { isForgeQError } from '../../src/errors.ts'
import { createRecovery } from '../../src/loops/recovery.ts'
import { createJobQueue, keepingOf } from '../../src/queue/create.ts'
import { callersTransaction } from '../../src/store/caller-transaction.ts'
import { abortTransaction, completeInTransaction, holdLease } from '../../src/store/complete-in-transaction.ts'
import { acceptedBefore, finishKeyedJobs, requeueJobs } from '../../src/store/outcomes.ts'
import { writeProgress } from '../../src/store/progress.ts'
import { untilWaiting, withCaller } from '../support/caller.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, insertSession, jobOf } from '../support/factory.ts'
import { completed, failed, held, type Held, reporterOf } from '../support/lease.ts'
import { loopContext } from '../support/loops.ts'

const db = testDatabase()
const keeping = keepingOf(DEFAULTS)
const jobs = () => createJobQueue(db.pool, DEFAULTS).jobs
const recovery = () => createRecovery(loopContext(db.pool))

beforeAll(() => db.sql('create table effects (job uuid not null)'))
const effectsOf = async (id: string) => (await db.sql('select from effects where job = $1', id)).length

const complete = (caller: pg.Client, { id, token, sessionId }: Held, resultJson = '{"a":1.10}') =>
  completeInTransaction(
    callersTransaction(caller),
    reporterOf(sessionId),
    { id, token, resultJson, ranMs: 1_500 },
    keeping,
  )

/** A client whose transaction has begun and has written something of the handler's own. */
async function beginWithEffect(caller: pg.Client, id: string, begin = 'begin'): Promise<void> {
  await caller.query(begin)
  await caller.query('insert into effects values ($1)', [id])
}

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
    expect(await holdLease(db.pool, lease.sessionId, lease)).toBe('held')
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
      expect(await holdLease(db.pool, lease.sessionId, lease)).toBe('locked')
      await caller.query('rollback')
      expect(await holdLease(db.pool, lease.sessionId, lease)).toBe('held')
      expect(await holdLease(db.pool, lease.sessionId, { ...lease, token: 4 })).toBe('gone')
      await caller.query('begin')
      await complete(caller, lease)
      await caller.query('commit')
      expect(await holdLease(db.pool, lease.sessionId, lease)).toBe('gone')
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
