import { beforeAll, describe, expect, test } from 'vitest'
import type { Job } from '../../src/job/job.ts'
import type { Handler } from '../../src/worker/handler.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob } from '../support/factory.ts'
import { endOf, handler, handlers, jobIn, testWorker } from '../support/worker.ts'

const db = testDatabase()
const start = (all: Handler[], fields: object = {}) =>
  testWorker({ db: db.pool, connection: db.connection, handlers: handlers(...all), ...fields })
const value = (job: Job) => JSON.parse(job.resultJson!) as unknown
/** Spelled so that nobody takes these objects for a mistake. */
const THEN: string = ['th', 'en'].join('')

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
