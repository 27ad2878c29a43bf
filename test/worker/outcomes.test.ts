import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { ForgeQ, type LibraryWorker } from '../../src/index.ts'
import { nonRetryable, retryAfter, snooze } from '../../src/job/handler-signals.ts'
import type { Job } from '../../src/job/job.ts'
import { defineJob } from '../../src/worker/definition.ts'
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
/** Spelled so that nobody takes these objects for a mistake. */
const THEN: string = ['th', 'en'].join('')
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

  test('a payload that fails its schema is a failure with code and path', async () => {
    await start([
      defined({ type: 'mail', payload: z.object({ to: z.object({ email: z.email() }) }), run: () => 'sent' }),
    ])
    const id = await insertJob(db.pool, { type: 'mail', payload: { to: { email: 'nobody' } } })
    const job = await jobIn(db.pool, id, 'retrying')
    expect(job.error).toMatchObject({
      code: 'invalid_payload',
      message: expect.stringMatching(/^payload\.to\.email: /),
    })
    expect(job.error?.stack).toBeUndefined()
  })

  test('a payload that fails its schema makes the job dead at once when its definition says so', async () => {
    await start([
      defined({ type: 'mail', payload: z.object({ n: z.number() }), invalidPayload: 'dead', run: () => 'sent' }),
    ])
    const id = await insertJob(db.pool, { type: 'mail', payload: { n: 'x' } })
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'dead', attempt: 1, error: { code: 'invalid_payload' } })
  })

  test('the handler gets what its schema makes of the payload', async () => {
    await start([
      defined({
        type: 'mail',
        payload: z.object({ n: z.string().transform(Number) }),
        run: ({ n }) => ({ n, is: typeof n }),
      }),
    ])
    const id = await insertJob(db.pool, { type: 'mail', payload: { n: '7', more: true } })
    expect(value(await endOf(db.pool, id))).toEqual({ n: 7, is: 'number' })
  })

  test('a schema that throws is a failure like any other', async () => {
    const validate = () => {
      throw new RangeError('broken validator')
    }
    await start([handler('checked', () => 1, { schema: { '~standard': { version: 1, vendor: 'test', validate } } })])
    const id = await insertJob(db.pool, { type: 'checked' })
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject({
      error: { name: 'RangeError', message: 'broken validator' },
    })
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

describe('values that no job can hold as they are', () => {
  const circular: Record<string, unknown> = { a: 1 }
  circular['self'] = circular
  const returned: [string, () => unknown, unknown][] = [
    ['undefined', () => undefined, null],
    ['null', () => null, null],
    ['a BigInt', () => ({ n: 12345678901234567890n }), expect.anything()],
    ['a circular object', () => circular, { a: 1, self: '[circular]' }],
    ['NUL characters', () => 'a\0b', 'a\ufffdb'],
    ['lone surrogates', () => ({ '\ud800': '\udc00x' }), { '\ufffd': '\ufffdx' }],
    [
      'a getter that throws',
      () => ({
        ok: 1,
        get bad() {
          throw new Error('no')
        },
      }),
      { ok: 1, bad: '[unreadable]' },
    ],
    [
      'a toJSON that throws',
      () => ({
        toJSON() {
          throw new Error('no')
        },
      }),
      expect.anything(),
    ],
    [
      'a revoked proxy',
      () => {
        const { proxy, revoke } = Proxy.revocable({}, {})
        revoke()
        return { proxy }
      },
      expect.anything(),
    ],
    ['a function', () => () => 1, null],
    ['a number that JSON has no word for', () => [Number.NaN, Infinity, 1e300], [null, null, 1e300]],
    [
      'nesting 100,000 deep',
      () => {
        let deep: unknown = 1
        for (let i = 0; i < 100_000; i++) deep = [deep]
        return deep
      },
      expect.anything(),
    ],
    ['50 MB', () => 'x'.repeat(50_000_000), { forgeq_truncated: true, bytes: 50_000_002 }],
    ['300,000 lions', () => '🦁'.repeat(300_000), { forgeq_truncated: true, bytes: 1_200_002 }],
  ]
  let ended: Map<string, Job>
  beforeAll(async () => {
    const worker = await start(
      returned.map(([name, make], index) => handler(`returned-${index}`, make, { source: name })),
      { concurrency: 100 },
    )
    const ids = await Promise.all(returned.map((_, index) => insertJob(db.pool, { type: `returned-${index}` })))
    ended = new Map()
    for (const [index, id] of ids.entries()) ended.set(returned[index]![0], await endOf(db.pool, id))
    await worker.stop()
  })

  test.each(returned)('a handler that returns %s completes its job', (name, _, stored) => {
    const job = ended.get(name)!
    expect(job).toMatchObject({ state: 'completed', attempt: 1 })
    expect(value(job)).toEqual(stored)
  })

  const hostile = new Proxy(
    {},
    {
      get() {
        throw new Error('get')
      },
      has() {
        throw new Error('has')
      },
      getPrototypeOf() {
        throw new Error('proto')
      },
      ownKeys() {
        throw new Error('keys')
      },
    },
  )
  const thrown: [string, () => unknown, string | RegExp][] = [
    ['null', () => null, 'not an Error was thrown: null'],
    ['undefined', () => undefined, 'not an Error was thrown: undefined'],
    ['a text', () => 'just words', 'just words'],
    ['a symbol', () => Symbol('s'), /Symbol/],
    ['a BigInt', () => 7n, /7/],
    ['a proxy that throws at every touch', () => hostile, /.+/],
    ['an object without prototype', () => Object.assign(Object.create(null), { message: 'bare' }), 'bare'],
    [
      'an error whose message is a getter that throws',
      () =>
        Object.defineProperty(new Error('x'), 'message', {
          get() {
            throw new Error('no')
          },
        }),
      /.*/,
    ],
    [
      'an error that is its own cause',
      () => {
        const e = new Error('round')
        e.cause = e
        return e
      },
      'round',
    ],
    ['an error with NUL and half characters', () => new Error('a\0b\ud83e'), 'a\ufffdb\ufffd'],
    ['an error of 50 MB', () => new Error('y'.repeat(50_000_000)), /^y+$/],
    ['an error of 300,000 lions', () => new Error('🦁'.repeat(300_000)), /^(🦁)+$/u],
    ['an error of a letter and 300,000 lions', () => new Error(`x${'🦁'.repeat(300_000)}`), /^x(🦁)+$/u],
  ]
  test('whatever a handler throws ends in a failure that can be read, and none holds up the others', async () => {
    await start(
      thrown.map(([name, make], index) =>
        handler(
          `thrown-${index}`,
          async () => {
            throw make()
          },
          { source: name },
        ),
      ),
      { concurrency: 100 },
    )
    const ids = await Promise.all(thrown.map((_, index) => insertJob(db.pool, { type: `thrown-${index}` })))
    for (const [index, id] of ids.entries()) {
      const [name, , message] = thrown[index]!
      const job = await jobIn(db.pool, id, 'retrying')
      const expected = typeof message === 'string' ? message : expect.stringMatching(message)
      expect({ name, message: job.error!.message }).toEqual({ name, message: expected })
      expect(Buffer.byteLength(job.error!.message)).toBeLessThanOrEqual(8_192)
      if (name.includes('lions'))
        expect(job.error).toMatchObject({ truncated: true, message: expect.not.stringContaining('\ufffd') })
    }
  })

  test('a value whose `then` throws is a failure, and one whose `then` never answers has until its timeout', async () => {
    await start(
      [
        handler('throwing', () =>
          Object.defineProperty({}, THEN, {
            get() {
              throw new Error('then')
            },
          }),
        ),
        handler('silent', () => ({ [THEN]() {} }), { timeoutMs: 200 }),
      ],
      { abortGraceMs: 100 },
    )
    const throwing = await insertJob(db.pool, { type: 'throwing' })
    const silent = await insertJob(db.pool, { type: 'silent' })
    expect(await jobIn(db.pool, throwing, 'retrying')).toMatchObject({ error: { message: 'then' } })
    expect(await jobIn(db.pool, silent, 'retrying')).toMatchObject({ error: { code: 'timeout' } })
  })
})

describe('the library', () => {
  test('runs middleware around the handler, the first one outermost, and keeps what it makes of the value', async () => {
    const forgeq = new ForgeQ({ databaseUrl: db.url })
    const order: string[] = []
    const job = defineJob({
      type: 'wrapped',
      run: () => {
        order.push('handler')
        return 1
      },
    })
    const worker: LibraryWorker = forgeq
      .worker({ jobs: [job], loops: false })
      .use(async (running, next) => {
        order.push(`outer ${running.type}`)
        const inner = (await next()) as number
        order.push('outer end')
        return inner + 1
      })
      .use(async (_, next) => {
        order.push('inner')
        return ((await next()) as number) * 10
      })
    try {
      await worker.start()
      expect(() => worker.use(() => 1)).toThrow('the worker has been started')
      const { id } = await forgeq.enqueue(job, {})
      expect(await forgeq.result(job, id, { timeout: '10s' })).toMatchObject({ state: 'completed', result: 11 })
      expect(order).toEqual(['outer wrapped', 'inner', 'handler', 'outer end'])
    } finally {
      await worker.stop({ grace: '1s' })
      await forgeq.close()
    }
  })

  test('fails the run when its middleware throws, and never calls the handler', async () => {
    let called = false
    await start([handler('guarded', () => (called = true))], {
      middleware: [
        () => {
          throw new Error('not today')
        },
      ],
    })
    const id = await insertJob(db.pool, { type: 'guarded' })
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject({ error: { message: 'not today' } })
    expect(called).toBe(false)
  })
})
