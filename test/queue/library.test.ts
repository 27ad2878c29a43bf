import { uuidv7 } from 'uuidv7'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ForgeQ } from '../../src/forgeq.ts'
import type { EnqueueJobOptions } from '../../src/library-enqueue.ts'
import { isForgeQError } from '../../src/errors.ts'
import { testDatabase } from '../support/database.ts'

const db = testDatabase()
let forgeq: ForgeQ
beforeAll(() => void (forgeq = new ForgeQ({ databaseUrl: db.url })))
afterAll(() => forgeq.close())

const stored = async () => (await db.sql<{ n: number }>('select count(*) as n from forgeq.all_jobs'))[0]!.n

/** Text that breaks programs: none of it may reach the database raw, nor come back changed. */
const HOSTILE = [
  '',
  '\0',
  'a\0b',
  '\ud800',
  '\udfff x',
  "'; drop table forgeq.jobs; --",
  '$1',
  '\\',
  '{"a":1}',
  '{a,b}',
  'null',
  'NaN',
  '\u202e',
  '\u2028',
  '\x7f',
  '\n',
  ' ',
  '%s%n',
  'ü'.repeat(200),
  '\u{1F981}'.repeat(300),
  'x'.repeat(100_000),
  '-1',
  '9'.repeat(400),
  '1e999',
  'infinity',
  '../../etc/passwd',
  '__proto__',
]
const STRANGE: unknown[] = [
  null,
  0,
  -1,
  1.5,
  Number.NaN,
  true,
  [],
  {},
  [null],
  { toString: 5 },
  () => {},
  Symbol('x'),
  10n,
]

const FIELDS = [
  'id',
  'queue',
  'priority',
  'runAt',
  'delay',
  'expiresAt',
  'expiresIn',
  'maxAttempts',
  'backoff',
  'timeout',
  'idempotencyKey',
  'tags',
  'keepFor',
  'traceparent',
] as const

/** Resolves to what was answered, or to the error; fails when that is not one of ours with a path. */
async function answeredOrRefused(work: () => Promise<unknown>): Promise<'answered' | 'refused'> {
  try {
    await work()
    return 'answered'
  } catch (error) {
    if (!isForgeQError(error)) throw error
    expect([
      'invalid_job',
      'invalid_request',
      'invalid_id',
      'invalid_json',
      'payload_too_large',
      'unsupported',
      'job_not_found',
      'queue_not_found',
      'worker_not_found',
    ]).toContain(error.code)
    return 'refused'
  }
}

describe('hostile values', () => {
  test.each(FIELDS)('of the option %s are kept as they are or refused with its path', async (field) => {
    for (const value of [...HOSTILE, ...STRANGE, HOSTILE.map((one) => [one])].flat()) {
      const before = await stored()
      const options = { [field]: value } as EnqueueJobOptions
      try {
        const job = await forgeq.enqueue('hostile', {}, options)
        const read = await forgeq.job(job.id)
        expect(read.state === 'pending' || read.state === 'scheduled').toBe(true)
        if (typeof value === 'string' && (field === 'queue' || field === 'idempotencyKey'))
          expect(read[field]).toBe(value)
      } catch (error) {
        if (!isForgeQError(error, 'invalid_job')) throw error
        expect(error.errors.length).toBeGreaterThan(0)
        expect(error.errors[0]!.path).toMatch(new RegExp(`^${field.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`)}`))
        expect(await stored()).toBe(before)
      }
    }
  })

  test('as a type are refused with its path', async () => {
    for (const type of [...HOSTILE, 'a/.b', 'x'.repeat(129)]) {
      const refused = await answeredOrRefused(() => forgeq.enqueue(type, {}))
      expect(refused).toBe(/^[A-Za-z0-9][\w.:-]*$/.test(type) && type.length < 129 ? 'answered' : 'refused')
    }
  })

  test('in a payload, as value and as key, come back as they were or are refused with their path', async () => {
    for (const text of HOSTILE) {
      const payload = { [`k${text}`]: [text] }
      try {
        const { id } = await forgeq.enqueue('hostile', payload)
        expect((await forgeq.job(id)).payload).toEqual(payload)
      } catch (error) {
        if (!isForgeQError(error, 'invalid_job')) throw error
        expect(error.errors[0]!.path).toMatch(/^payload/)
        expect(/\0|[\ud800-\udfff]/u.test(text)).toBe(true)
      }
    }
  })

  test.each<[string, unknown]>([
    ['a function', () => {}],
    ['a symbol', Symbol('x')],
    ['a big integer', 1n],
    ['an infinite number', { a: Infinity }],
    ['not a number', [Number.NaN]],
    [
      'a circle',
      (() => {
        const a: { a?: unknown } = {}
        a.a = a
        return a
      })(),
    ],
    [
      'a getter that throws',
      {
        get a() {
          throw new Error('no')
        },
      },
    ],
    ['nesting without end', JSON.parse('['.repeat(5_000) + ']'.repeat(5_000))],
  ])('that JSON has no word for are refused as a payload: %s', async (_what, payload) => {
    const before = await stored()
    await expect(forgeq.enqueue('hostile', payload)).rejects.toMatchObject({
      code: 'invalid_job',
      errors: [{ path: expect.stringMatching(/^payload/) as string }],
    })
    expect(await stored()).toBe(before)
  })

  test.each([
    'id',
    'queue',
    'type',
    'tag',
    'key',
    'worker',
    'error',
    'createdAfter',
    'createdBefore',
    'finishedAfter',
    'q',
    'cursor',
    'states',
    'limit',
    'payload',
  ])('of the filter %s are looked for or refused', async (field) => {
    for (const value of [
      ...HOSTILE,
      ...STRANGE,
      [['\0']],
      [{ path: ['a', '\0'], value: 'x' }],
      [{ path: ['a'], value: '\0' }],
      [{}],
    ])
      await answeredOrRefused(() => forgeq.jobs.list({ [field]: value }))
  })

  test('as ids and names are refused', async () => {
    for (const value of HOSTILE) {
      for (const act of [forgeq.job.bind(forgeq), ...Object.values(forgeq.jobs).slice(1)] as ((
        id: string,
      ) => Promise<unknown>)[])
        expect(await answeredOrRefused(() => act(value))).toBe('refused')
      expect(await answeredOrRefused(() => forgeq.workers.get(value))).toBe('refused')
      expect(await answeredOrRefused(() => forgeq.queues.get(`no ${value}`))).toBe('refused')
    }
  })

  test('of a pause are kept or refused', async () => {
    for (const value of [...HOSTILE, ...STRANGE] as string[]) {
      await answeredOrRefused(() => forgeq.queues.pause(value))
      await answeredOrRefused(() => forgeq.queues.pause('paused', { reason: value }))
      await answeredOrRefused(() => forgeq.queues.pause('paused', { by: value }))
      await answeredOrRefused(() => forgeq.queues.pause('paused', { until: value }))
      await answeredOrRefused(() => forgeq.queues.resume(value))
    }
    const names = (await db.sql<{ name: string }>('select name from forgeq.queues')).map(({ name }) => name)
    expect(names.filter((name) => !/^[A-Za-z0-9][\w.:-]{0,127}$/.test(name))).toEqual([])
  })
})

describe('a payload at the limit', () => {
  /** A value that PostgreSQL prints in so many bytes: spaces after colons and commas count, escapes are shorter. */
  const ofBytes = (bytes: number) => {
    const empty = '{"a": [1, 2], "b": ""}'
    return { b: 'ü'.repeat(Math.floor((bytes - empty.length) / 2)) + 'x'.repeat((bytes - empty.length) % 2), a: [1, 2] }
  }

  test('of 1 MiB as PostgreSQL prints it is taken, one byte more is refused', async () => {
    const { id } = await forgeq.enqueue('large', ofBytes(1_048_576))
    const [row] = await db.sql<{ bytes: number }>(
      'select octet_length(payload::text) as bytes from forgeq.jobs where id = $1',
      id,
    )
    expect(row!.bytes).toBe(1_048_576)
    await expect(forgeq.enqueue('large', ofBytes(1_048_577))).rejects.toMatchObject({
      code: 'payload_too_large',
      errors: [{ path: 'payload' }],
    })
  })

  test('is as large as the client was told', async () => {
    const small = new ForgeQ({ databaseUrl: db.url, maxPayloadBytes: 100 })
    await small.enqueue('large', ofBytes(100))
    await expect(small.enqueue('large', ofBytes(101))).rejects.toMatchObject({ code: 'payload_too_large' })
    await small.close()
  })
})

describe('a client', () => {
  test('names every problem of a bulk with its place', async () => {
    const before = await stored()
    await expect(
      forgeq.enqueueMany([
        ['ok', {}],
        ['not ok', {}],
        ['ok', { a: '\0' }, { priority: 1e9 }],
        ['ok', {}, { runAt: 'tomorrow', delay: '5m' }],
      ]),
    ).rejects.toMatchObject({
      code: 'invalid_job',
      errors: expect.arrayContaining(
        ['jobs[1].type', 'jobs[2].payload.a', 'jobs[2].priority', 'jobs[3].run_at', 'jobs[3].delay'].map((path) =>
          expect.objectContaining({ path }),
        ),
      ) as unknown,
    })
    expect(await stored()).toBe(before)
  })

  test('keeps what a database full of defaults of its own would change', async () => {
    const [{ current }] = (await db.sql<{ current: string }>('select current_database() as current')) as [
      { current: string },
    ]
    for (const setting of [
      `default_transaction_isolation to 'repeatable read'`,
      `TimeZone to 'Asia/Kathmandu'`,
      `DateStyle to 'German'`,
      `synchronous_commit to off`,
    ])
      await db.sql(`alter database ${current} set ${setting}`)
    const other = new ForgeQ({ databaseUrl: db.url })
    const id = uuidv7()
    const asked = ['defaults', {}, { id, runAt: '2027-01-01T00:00:00.000001Z' }] as const
    const answers = await Promise.all(Array.from({ length: 8 }, () => other.enqueue(...asked)))
    expect(answers.filter(({ created }) => created)).toHaveLength(1)
    expect(await other.job(id)).toMatchObject({ runAt: '2027-01-01T00:00:00.000001Z' })
    await other.close()
  })

  test('says when it has been closed', async () => {
    const closed = new ForgeQ({ databaseUrl: db.url })
    await closed.close()
    await closed.close()
    await expect(closed.enqueue('x', {})).rejects.toMatchObject({ code: 'invalid_request' })
  })
})
