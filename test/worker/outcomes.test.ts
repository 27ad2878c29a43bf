import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nonRetryable, retryAfter, snooze } from '../../src/job/handler-signals.ts'
import type { Job } from '../../src/job/job.ts'
import type { Handler, RunningJob } from '../../src/worker/handler.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, type JobFields, jobOf } from '../support/factory.ts'
import {
  defined,
  endOf,
  gate,
  handler,
  handlers,
  jobIn,
  type TestPayload,
  type TestWorker,
  testWorker,
  until,
} from '../support/worker.ts'

const db = testDatabase()
const start = (all: Handler[], fields: object = {}) =>
  testWorker({ db: db.pool, connection: db.connection, handlers: handlers(...all), ...fields })

let shared: TestWorker
let sharedRun: (payload: TestPayload, job: RunningJob) => unknown
beforeAll(async () => {
  shared = await start([handler('one', (payload, job) => sharedRun(payload, job))], { kept: true, listening: false })
})
afterAll(() => shared.stop({ graceMs: 0 }))

/** Runs one job of one handler until it has an outcome. */
async function outcomeOf(run: (payload: TestPayload, job: RunningJob) => unknown, fields: JobFields = {}) {
  sharedRun = run
  const id = await insertJob(db.pool, { type: 'one', ...fields })
  const job = await jobIn(db.pool, id, ['completed', 'dead', 'cancelled', 'retrying', 'scheduled'])
  return { job, worker: shared }
}
const value = (job: Job) => JSON.parse(job.resultJson!) as unknown
const dueInMs = (job: Job) => Date.parse(job.runAt) - Date.now()

describe('what a handler comes to', () => {
  test('a value that it returns is the result of a completed job', async () => {
    const { job } = await outcomeOf((payload) => ({ doubled: payload.n! * 2 }), { payload: { n: 21 } })
    expect(job).toMatchObject({ state: 'completed', attempt: 1, worker: { name: 'test' } })
    expect(value(job)).toEqual({ doubled: 42 })
  })

  test('an error that it throws sends the job into another attempt after the backoff', async () => {
    const { job } = await outcomeOf(() => {
      throw Object.assign(new TypeError('no such mailbox'), { code: 'E_MAILBOX' })
    })
    expect(job).toMatchObject({
      state: 'retrying',
      attempt: 1,
      error: { name: 'TypeError', message: 'no such mailbox', code: 'E_MAILBOX' },
    })
    expect(job.attempts).toMatchObject([{ attempt: 1, outcome: 'failed', error: { message: 'no such mailbox' } }])
    expect(dueInMs(job)).toBeGreaterThan(2_500)
    expect(dueInMs(job)).toBeLessThan(6_100)
  })

  test('an error in the last attempt makes the job dead', async () => {
    const { job } = await outcomeOf(
      () => {
        throw new Error('again')
      },
      { attempt: 2, maxAttempts: 3, token: 2 },
    )
    expect(job).toMatchObject({ state: 'dead', reason: 'attempts spent', attempt: 3, error: { message: 'again' } })
  })

  test('an error that cannot be retried makes the job dead at once', async () => {
    const { job } = await outcomeOf(() => {
      throw nonRetryable('no such account')
    })
    expect(job).toMatchObject({
      state: 'dead',
      reason: 'not retryable',
      attempt: 1,
      error: { message: 'no such account' },
    })
  })

  test('a handler that says when to try again is obeyed, and the failure counts', async () => {
    const { job } = await outcomeOf(() => {
      throw retryAfter('2h')
    })
    expect(job).toMatchObject({ state: 'retrying', attempt: 1 })
    expect(dueInMs(job)).toBeGreaterThan(7_190_000)
    expect(dueInMs(job)).toBeLessThanOrEqual(7_200_000)
  })

  test('a snooze waits as scheduled and does not count', async () => {
    const { job } = await outcomeOf(() => {
      throw snooze('10m')
    })
    expect(job).toMatchObject({ state: 'scheduled', attempt: 0, attempts: [{ attempt: 1, outcome: 'snoozed' }] })
    expect(dueInMs(job)).toBeGreaterThan(590_000)
    expect(dueInMs(job)).toBeLessThanOrEqual(600_000)
  })

  test('the backoff of the definition decides the pause', async () => {
    const worker = await start([
      defined({
        type: 'defined',
        backoff: { kind: 'fixed', base: '1h', jitter: 0 },
        run() {
          throw new Error('later')
        },
      }),
    ])
    const id = await insertJob(db.pool, { type: 'defined' })
    const job = await jobIn(db.pool, id, 'retrying')
    expect(Math.round(dueInMs(job) / 60_000)).toBe(60)
    expect(worker.log).toContainEqual(expect.objectContaining({ msg: 'job failed', job_id: id }))
  })

  test('the backoff of the job itself goes before that of its definition', async () => {
    await start([
      defined({
        type: 'defined',
        backoff: { kind: 'fixed', base: '1h', jitter: 0 },
        run() {
          throw new Error('later')
        },
      }),
    ])
    const id = await insertJob(db.pool, { type: 'defined', dueInMs: 60_000, state: 'scheduled' })
    await db.sql(
      `update forgeq.jobs set state = 'pending', run_at = clock_timestamp(), backoff = '{"kind":"linear","baseMs":7200000,"capMs":86400000,"jitter":0}' where id = $1`,
      id,
    )
    expect(Math.round(dueInMs(await jobIn(db.pool, id, 'retrying')) / 60_000)).toBe(120)
  })

  test('progress is shown while the job runs, cut at a whole character', async () => {
    const end = gate()
    sharedRun = async (_, job) => {
      await job.progress(0.25, 'a')
      await job.progress(0.5, '🦁'.repeat(300))
      await end.promise
    }
    const id = await insertJob(db.pool, { type: 'one' })
    const shown = await until('progress is shown', async () => (await jobOf(db.pool, id)).progress)
    expect(shown).toEqual({ value: 0.5, message: '🦁'.repeat(125) })
    end.open()
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', progress: { value: 0.5 } })
  })

  test('progress that is not a number fails the run of whoever reported it', async () => {
    const { job } = await outcomeOf((_, job) => job.progress(Number.NaN))
    expect(job).toMatchObject({ state: 'retrying', error: { message: 'progress: the value is a finite number' } })
  })

  test('a job that its handler logs about is named on every line', async () => {
    const { job, worker } = await outcomeOf((_, running) => running.log.info({ n: 1 }, 'working'))
    expect(worker.log).toContainEqual(
      expect.objectContaining({ msg: 'working', n: 1, job_id: job.id, job_type: 'one', attempt: 1 }),
    )
  })
})
