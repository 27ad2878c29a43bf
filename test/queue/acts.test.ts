import { uuidv7 } from 'uuidv7'
import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import type { JobState } from '../../src/job/state.ts'
import { createJobQueue, keepingOf } from '../../src/queue/create.ts'
import { promoteDueJobs } from '../../src/store/due.ts'
import { cancelWaitingJob } from '../../src/store/jobs.ts'
import { claimJobs, findLanes } from '../../src/store/leases.ts'
import { requeueJobs } from '../../src/store/outcomes.ts'
import { decideLost } from '../../src/loops/lost-jobs.ts'
import { lockLostJobs } from '../../src/store/recovery.ts'
import { createScheduler } from '../../src/loops/scheduler.ts'
import { testDatabase } from '../support/database.ts'
import { finishJob, insertJob, insertSession, jobOf, leaseJob, newJob } from '../support/factory.ts'
import { loopContext } from '../support/loops.ts'
import { watched } from '../support/watched.ts'

const db = testDatabase()
const queue = () => createJobQueue(db.pool, DEFAULTS)
const STATES = ['scheduled', 'pending', 'running', 'retrying', 'blocked', 'completed', 'dead', 'cancelled'] as const
const ERROR = { name: 'Error', message: 'no', fingerprint: 'f' }

/** A job in any state, by the product's own statements where it has ended. */
async function jobIn(state: JobState): Promise<string> {
  if (state === 'completed' || state === 'dead' || state === 'cancelled') {
    const id = await insertJob(db.pool, { type: `in-${state}` })
    await finishJob(db.pool, id, { state, ...(state === 'dead' && { error: ERROR, reason: 'attempts spent' }) })
    return id
  }
  const waits = state === 'scheduled' || state === 'retrying'
  return insertJob(db.pool, {
    state,
    ...(waits && { dueInMs: 60_000 }),
    ...(state === 'retrying' && { attempt: 1, token: 1 }),
    ...(state === 'running' && { session: await insertSession(db.pool) }),
  })
}

type Act = 'cancel' | 'retry' | 'run' | 'delete'
const BECOMES: Record<Act, Partial<Record<JobState, JobState | 'gone'>>> = {
  cancel: {
    scheduled: 'cancelled',
    pending: 'cancelled',
    running: 'running',
    retrying: 'cancelled',
    blocked: 'cancelled',
  },
  retry: { retrying: 'pending', completed: 'pending', dead: 'pending', cancelled: 'pending' },
  run: { scheduled: 'pending', retrying: 'pending' },
  delete: {
    scheduled: 'gone',
    pending: 'gone',
    retrying: 'gone',
    blocked: 'gone',
    completed: 'gone',
    dead: 'gone',
    cancelled: 'gone',
  },
}

describe.each(Object.keys(BECOMES) as Act[])('%s', (act) => {
  test.each(STATES)('does what the table says to a job that is %s', async (state) => {
    const id = await jobIn(state)
    const before = await jobOf(db.pool, id)
    const becomes = BECOMES[act][state]
    const acted = queue().jobs[act](id)
    if (becomes === undefined) {
      await expect(acted).rejects.toMatchObject({ code: 'wrong_state', details: { id, state } })
      await expect(acted).rejects.toThrow(state)
      expect(await jobOf(db.pool, id)).toEqual(before)
    } else if (becomes === 'gone') {
      await acted
      await expect(queue().jobs.get(id)).rejects.toMatchObject({ code: 'job_not_found' })
    } else {
      expect(await acted).toMatchObject({ id, state: becomes })
    }
  })

  test('says so when there is no such job', async () => {
    await expect(queue().jobs[act](uuidv7())).rejects.toMatchObject({ code: 'job_not_found' })
  })

  test('of a job that ends between the look and the write is tried anew', async () => {
    const id = await insertJob(db.pool, { state: 'retrying', dueInMs: 60_000, attempt: 1, token: 1 })
    let moved = false
    const first = {
      cancel: 'forgeq:cancel_waiting_job',
      retry: 'forgeq:revive_job',
      run: 'forgeq:run_job_now',
      delete: 'forgeq:delete_job',
    }[act]
    const second = {
      cancel: 'forgeq:request_cancel',
      retry: 'forgeq:run_job_now',
      run: 'forgeq:read_job',
      delete: 'forgeq:read_job',
    }[act]
    // It ends just after the first way was tried.
    const pool = watched(db.pool, async ({ name }) => {
      if (name === first && !moved && act !== 'retry') {
        moved = true
        await finishJob(db.pool, id)
      } else if (act === 'retry' && name === second && !moved) {
        moved = true
        await finishJob(db.pool, id)
      }
    })
    const acted = createJobQueue(pool, DEFAULTS).jobs[act](id)
    if (act === 'retry') expect(await acted).toMatchObject({ state: 'pending', attempt: 2 })
    else if (act === 'delete') await acted
    else await expect(acted).rejects.toMatchObject({ code: 'wrong_state', details: { state: 'completed' } })
  })
})

describe('a cancelled job', () => {
  test('that waited has ended at once, with the reason, and never ran', async () => {
    const id = await jobIn('pending')
    expect(await queue().jobs.cancel(id)).toMatchObject({
      state: 'cancelled',
      reason: 'cancelled',
      attempt: 0,
      attempts: [],
    })
  })

  test('that runs shows since when it is to end, and a second wish changes nothing', async () => {
    const id = await jobIn('running')
    const { cancelRequestedAt } = await queue().jobs.cancel(id)
    expect(cancelRequestedAt).toMatch(/Z$/)
    expect((await queue().jobs.cancel(id)).cancelRequestedAt).toBe(cancelRequestedAt)
  })
})

describe('a deleted job', () => {
  test('is deleted when it is cancelled under the hand of who deletes it', async () => {
    const id = await insertJob(db.pool)
    let deleting: Promise<void> | undefined
    await db.pool.transaction(async (tx) => {
      await cancelWaitingJob(tx, id, keepingOf(DEFAULTS))
      deleting = queue().jobs.delete(id) // waits for the row, which then is not there any more
      await expect
        .poll(() =>
          db.sql(`select from pg_stat_activity where wait_event_type = 'Lock' and query like '%forgeq:delete_job%'`),
        )
        .toHaveLength(1)
    })
    await deleting
    await expect(queue().jobs.get(id)).rejects.toMatchObject({ code: 'job_not_found' })
  })
})

describe('a new life', () => {
  test('may run as often as the first, keeps number and token growing, and shows the runs before', async () => {
    const { job } = await queue().enqueue(newJob({ type: 'lives', maxAttempts: 2, expiresInMs: 3_600_000 }))
    const id = job!.id
    const reporter = async () => {
      const sessionId = await insertSession(db.pool)
      return { sessionId, worker: { id: sessionId, name: 'w', host: 'h', pid: 1 } }
    }
    const first = await reporter()
    const token = await leaseJob(db.pool, id, first.sessionId)
    const failed = {
      id,
      token,
      state: 'retrying' as const,
      delayMs: 1,
      counted: true,
      outcome: 'failed' as const,
      error: ERROR,
      ranMs: 5,
    }
    expect((await requeueJobs(db.pool, first, [failed], keepingOf(DEFAULTS))).get(id)).toBe('retrying')
    await db.sql(`update forgeq.jobs set lost = 1, given_back = 2 where id = $1`, id)
    await finishJob(db.pool, id, { state: 'dead', reason: 'attempts spent', error: ERROR })
    const dead = await jobOf(db.pool, id)
    expect(dead).toMatchObject({ state: 'dead', reason: 'attempts spent', attempt: 2, maxAttempts: 2, lost: 1 })

    const revived = await queue().jobs.retry(id)
    expect(revived).toMatchObject({
      state: 'pending',
      attempt: 2,
      maxAttempts: 4,
      lost: 0,
      payloadJson: '{}',
      createdAt: job!.createdAt,
    })
    expect(revived.reason).toBeUndefined()
    expect(revived.expiresAt).toBeUndefined() // it has been started in time, once
    expect(revived.attempts).toEqual(dead.attempts)
    expect(revived.attempts).toMatchObject([
      { attempt: 1, token: 1, outcome: 'failed', error: ERROR },
      { attempt: 2, token: 2, outcome: 'dead', error: ERROR },
    ])

    const second = await reporter()
    expect(await leaseJob(db.pool, id, second.sessionId)).toBe(3)
    expect(await jobOf(db.pool, id)).toMatchObject({
      attempt: 3,
      maxAttempts: 4,
      lost: 0,
      attempts: [{}, {}, { attempt: 3, outcome: 'running' }],
    })
    await requeueJobs(
      db.pool,
      second,
      [{ id, token: 3, state: 'scheduled', delayMs: 0, counted: false, outcome: 'snoozed', ranMs: 1 }],
      keepingOf(DEFAULTS),
    )
    expect(await jobOf(db.pool, id)).toMatchObject({
      attempt: 2,
      attempts: [{}, {}, { attempt: 3, token: 3, outcome: 'snoozed' }],
    })
    await finishJob(db.pool, id, { state: 'completed', resultJson: '7' })
    expect(await queue().jobs.retry(id)).toMatchObject({ attempt: 3, maxAttempts: 5 })
  })

  test('counts backoff and losses from its own beginning', async () => {
    const session = await insertSession(db.pool, { expiresInMs: -1, startedUpto: 1 })
    const id = await insertJob(db.pool, {
      type: 'lost-life',
      state: 'running',
      session,
      attempt: 21,
      lifeStart: 20,
      maxAttempts: 45,
      token: 30,
      lost: 1,
      quarantined: true,
    })
    const decided = await db.pool.transaction(async (tx) =>
      (await lockLostJobs(tx, { limit: 10 })).map((job) => decideLost(job)),
    )
    const mine = decided.find((one) => one.id === id)!
    expect(mine).toMatchObject({ state: 'retrying', counted: true })
    expect(mine.delayMs).toBeLessThan(10_000) // the pause of a first failure, not of a 21st
    await db.sql('delete from forgeq.jobs where id = $1', id)
  })

  test('of a job that never ran begins with nothing', async () => {
    const id = await jobIn('scheduled')
    await queue().jobs.cancel(id)
    expect(await queue().jobs.retry(id)).toMatchObject({ state: 'pending', attempt: 0, maxAttempts: 25, attempts: [] })
  })
})

test('priority is kept by a delay, a failure, a promotion and a retry', async () => {
  const name = 'ordered'
  await queue().queues.pause(name)
  const low = (await queue().enqueueMany(Array.from({ length: 5 }, () => newJob({ queue: name })))).map(
    ({ job }) => job!.id,
  )
  const high = { queue: name, priority: 10 }
  const delayed = (await queue().enqueue(newJob({ ...high, delayMs: 1 }))).job!.id
  const failed = await insertJob(db.pool, { ...high, state: 'retrying', attempt: 1, token: 1, dueInMs: -1 })
  const promoted = (await queue().enqueue(newJob({ ...high, delayMs: 3_600_000 }))).job!.id
  const retried = (await queue().enqueue(newJob(high))).job!.id
  await finishJob(db.pool, retried, { state: 'dead', error: ERROR })
  await queue().jobs.retry(retried)
  await queue().jobs.run(promoted)
  await createScheduler(loopContext(db.pool)).runOnce()
  expect(await promoteDueJobs(db.pool, { limit: 10 })).toEqual([])

  const sessionId = await insertSession(db.pool)
  const claim = async () => {
    const lanes = (await findLanes(db.pool, { queues: [name], types: ['test'] })).lanes.map((lane) => ({
      ...lane,
      after: null,
    }))
    return (await claimJobs(db.pool, { sessionId, lanes, limit: 100, nextLeaseNo: 1, startable: 1 })).map(
      ({ id }) => id,
    )
  }
  expect(await claim()).toEqual([]) // paused
  await queue().queues.resume(name)
  const order = await claim()
  expect(order.slice(0, 4).sort()).toEqual([delayed, failed, promoted, retried].sort())
  expect(order.slice(4)).toEqual(low)
})
