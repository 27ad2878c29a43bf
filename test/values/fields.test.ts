import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Answer, leaveNothing, type Service, startService } from '../cases/service.ts'
import { testDatabase } from '../support/database.ts'
import { JSON_TEXTS } from './json-texts.ts'
import { bytesOf, expectRefused, joined, post } from './sent.ts'
import { HALVES, WORDS } from './words.ts'

const db = testDatabase()
// Many requests a test: on a slow machine they take their time.
vi.setConfig({ testTimeout: 90_000 })
let service: Service

beforeAll(async () => {
  service = await startService(db, { loops: false })
})
afterAll(leaveNothing)

const TEXTS = [...WORDS, ...HALVES]
const controls = /[\0-\x1f\x7f-\x9f]/
const half = (text: string) => /[\ud800-\udfff]/u.test(text)

interface Field {
  name: string
  /** The members of a job around the value as JSON text. */
  json(value: string): string
  path: string
  /** Whether such a text is one that the field can hold; absent: only that it is decided alike on every road. */
  holds?(text: string): boolean
  /** What the job then shows of it. */
  shown?(job: Record<string, unknown>): unknown
}

const plain = (name: string, more: Partial<Field> = {}): Field => ({
  name,
  json: (value) => `"${name}":${value}`,
  path: name,
  ...more,
})
const inBackoff = (name: string): Field => ({
  name: `backoff.${name}`,
  json: (value) => {
    const members: Record<string, string> = { kind: '"fixed"', base: '"1s"', [name]: value }
    return `"backoff":{${Object.entries(members)
      .map(([key, text]) => `"${key}":${text}`)
      .join(',')}}`
  },
  path: `backoff.${name}`,
})

const FIELDS: Field[] = [
  plain('type', {
    holds: (text) => text.length <= 128 && /^[A-Za-z0-9][\w.:/-]*$/.test(text) && !text.includes('/.'),
    shown: ({ type }) => type,
  }),
  plain('queue', {
    holds: (text) => text.length <= 128 && /^[A-Za-z0-9][\w.:-]*$/.test(text),
    shown: ({ queue }) => queue,
  }),
  plain('idempotency_key', {
    holds: (text) => text !== '' && Buffer.byteLength(text) <= 255 && !controls.test(text) && !half(text),
    shown: ({ idempotency_key }) => idempotency_key,
  }),
  {
    name: 'tags',
    json: (value) => `"tags":["a tag",${value}]`,
    path: 'tags[1]',
    holds: (text) => text !== '' && Array.from(text).length <= 128 && !controls.test(text) && !half(text),
    shown: ({ tags }) => (tags as string[])[1],
  },
  plain('tags as a text', { json: (value) => `"tags":${value}`, path: 'tags', holds: () => false }),
  plain('id', { holds: (text) => /^[\da-f]{8}-[\da-f]{4}-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/i.test(text) }),
  plain('traceparent', { holds: () => false }),
  plain('priority', { holds: () => false }),
  plain('max_attempts', { holds: () => false }),
  ...['run_at', 'expires_at', 'delay', 'expires_in', 'timeout', 'keep_for'].map((name) => plain(name)),
  ...['kind', 'base', 'cap', 'jitter'].map(inBackoff),
  plain('backoff', { holds: () => false }),
  ...['unique', 'group', 'concurrency_key', 'depends_on', 'batch_id'].map((name) =>
    plain(name, { holds: () => false }),
  ),
  plain('nothing', { holds: () => false }),
]

const countOf = async () => (await db.sql<{ n: number }>('select count(*)::int as n from forgeq.jobs'))[0]!.n
/** A field that is sent twice would be refused for that. */
const jobOf = (field: Field, value: string) => `{${field.path === 'type' ? '' : '"type":"t",'}${field.json(value)}}`
const paths = (answer: Answer) => answer.problem().errors!.map(({ path }) => path)

describe.each(FIELDS)('a hostile text as $name', (field) => {
  test('is kept as it is or refused by its path, alike on every road', async () => {
    await db.sql('truncate forgeq.jobs, forgeq.idempotency_keys')
    let stored = 0
    const refused: string[] = []
    for (const [name, text] of TEXTS) {
      const answer = await post(service, '/jobs', bytesOf(jobOf(field, JSON.stringify(text))))
      if (field.holds) expect({ name, status: answer.status }).toEqual({ name, status: field.holds(text) ? 201 : 422 })
      if (answer.status === 201) {
        stored++
        const { id, ...made } = answer.job()
        const read = (await service.ask('GET', `/jobs/${id}`)).job()
        if (field.shown) expect([field.shown(made), field.shown({ ...read })]).toEqual([text, text])
        continue
      }
      refused.push(name)
      expectRefused(answer, { status: 422, code: field.name === 'nothing' ? 'invalid_job' : codeOf(answer) })
      expect(paths(answer)).toContain(field.path)
    }
    expect(await countOf()).toBe(stored)

    // All at once: every refused one is named by its place, the others are not, and nothing is stored.
    const jobs = TEXTS.map(([, text]) => jobOf(field, JSON.stringify(text)))
    const roads = [
      [
        await post(service, '/jobs/bulk', bytesOf(`{"jobs":[${jobs.join(',')}]}`)),
        (at: number) => `jobs[${at}].${field.path}`,
      ],
      [
        await post(service, '/jobs/bulk', bytesOf(jobs.join('\n')), 'application/x-ndjson'),
        (at: number) => `line ${at + 1}.${field.path}`,
      ],
    ] as const
    for (const [answer, placeOf] of roads) {
      const named = paths(answer)
      expect(TEXTS.filter((_, at) => named.includes(placeOf(at))).map(([name]) => name)).toEqual(refused)
    }
    expect(await countOf()).toBe(stored)
  })

  test('and any JSON in its place are kept or refused by its path, and nothing of what is refused is stored', async () => {
    await db.sql('truncate forgeq.jobs, forgeq.idempotency_keys')
    let stored = 0
    for (const { name, json, breaksBody, large } of JSON_TEXTS) {
      // What breaks the body does so wherever it stands: the first field shows it.
      if (large || (breaksBody && field !== FIELDS[0])) continue
      const body = bytesOf(json())
      const before = '{"type":"t",'
      const [head, tail] = field.json('\0').split('\0') as [string, string]
      const answer = await post(service, '/jobs', joined(field.path === 'type' ? '{' : before, head, body, tail, '}'))
      if (answer.status === 201) {
        stored++
        expect((await service.ask('GET', `/jobs/${answer.job().id}`)).status).toBe(200)
        continue
      }
      expect({ name, status: answer.status }).toEqual({ name, status: breaksBody ? 400 : 422 })
      if (!breaksBody)
        expect(paths(answer).some((path) => path.startsWith(field.path.replace(/\[1\]$/, '')))).toBe(true)
    }
    expect(await countOf()).toBe(stored)
    expect((await post(service, '/jobs', bytesOf('{"type":"after"}'))).status).toBe(201)
  })
})

const codeOf = (answer: Answer) => answer.problem().code as 'invalid_job'

test('a hostile text as the name of a field is refused by that name, and leads to no other', async () => {
  for (const [name, text] of TEXTS) {
    const answer = await post(service, '/jobs', bytesOf(`{"type":"t",${JSON.stringify(text)}:1}`))
    expect({ name, status: answer.status }).toEqual({ name, status: 422 })
    const { code, errors } = answer.problem()
    expect({ code, errors: errors!.length }).toEqual({ code: 'invalid_job', errors: 1 })
  }
  expect(Reflect.get({}, 'type')).toBeUndefined()
})

test('a hundred thousand fields that do not exist, and as many tags, are refused in few words', async () => {
  const many = Array.from({ length: 100_000 }, (_, at) => at)
  for (const body of [
    `{"type":"t",${many.map((at) => `"f${at}":0`).join(',')}}`,
    `{"type":"t","tags":[${many.map((at) => `"t${at}"`).join(',')}]}`,
    `{"type":"t","backoff":{${many.map((at) => `"f${at}":0`).join(',')}}}`,
    `{${many.map(() => '"type":"t"').join(',')}}`,
  ])
    expectRefused(await post(service, '/jobs', bytesOf(body)), { status: 422, code: 'invalid_job' })
})
