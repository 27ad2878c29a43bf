import { beforeEach, describe, expect, test } from 'vitest'
import { ForgeQError } from '../../src/errors.ts'
import { JobView } from '../../src/wire/jobs.ts'
import { ProblemView } from '../../src/wire/problem.ts'
import { setUp, type Setup } from './setup.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const NDJSON = { 'content-type': 'application/x-ndjson' }

let s: Setup
beforeEach(() => {
  s = setUp()
})

const problem = async (answer: Response) => {
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  const view = ProblemView.parse(await answer.json())
  expect(view.status).toBe(answer.status)
  return view
}

describe('POST /jobs', () => {
  test('answers 201 with the job, its payload as it came', async () => {
    const answer = await s.post('/jobs', '{"type":"t","payload":{"id":9007199254740993}}')
    expect(answer.status).toBe(201)
    expect(answer.headers.get('content-type')).toBe('application/json')
    const text = await answer.text()
    expect(text).toContain('"payload":{"id":9007199254740993},')
    expect(JobView.parse(JSON.parse(text))).toMatchObject({ type: 't', queue: 'default', state: 'pending' })
  })

  test.each(['k1', '"k1"'])(
    'takes the key %s from the header and answers 200 with the same job when it is repeated',
    async (key) => {
      const first = await s.post('/jobs', { type: 't' }, { ...JSON_TYPE, 'idempotency-key': 'k1' })
      const second = await s.post('/jobs', { type: 't' }, { ...JSON_TYPE, 'idempotency-key': key })
      expect([first.status, second.status]).toEqual([201, 200])
      expect(((await second.json()) as { id: string }).id).toBe(((await first.json()) as { id: string }).id)
    },
  )

  test('refuses a key in the header that is another than the body’s, and one that can be none', async () => {
    const other = await s.post('/jobs', { type: 't', idempotency_key: 'a' }, { ...JSON_TYPE, 'idempotency-key': 'b' })
    expect(await problem(other)).toMatchObject({ status: 422, errors: [{ path: 'idempotency_key' }] })
    const empty = await s.post('/jobs', { type: 't' }, { ...JSON_TYPE, 'idempotency-key': '""' })
    expect(await problem(empty)).toMatchObject({ status: 400, errors: [{ path: 'Idempotency-Key' }] })
    expect(s.fake.calls).toEqual([])
  })

  test('reads a key of the header as UTF-8', async () => {
    const header = Buffer.from('schlüssel', 'utf8').toString('latin1')
    await s.post('/jobs', { type: 't' }, { ...JSON_TYPE, 'idempotency-key': header })
    expect(s.fake.calls[0]?.[1]).toMatchObject({ idempotencyKey: 'schlüssel' })
  })

  test('answers 409 with the id that has the key', async () => {
    const first = (await (await s.post('/jobs', { type: 't', idempotency_key: 'k' })).json()) as { id: string }
    const second = await s.post('/jobs', { type: 't', idempotency_key: 'k', payload: 2 })
    expect(await problem(second)).toMatchObject({
      status: 409,
      code: 'conflict',
      id: first.id,
      type: 'urn:forgeq:problem:conflict',
    })
  })

  test('tells of a job that its key made and retention took', async () => {
    s.fake.enqueue = async () => ({ created: false, removed: { id: 'x', state: 'completed' } })
    const answer = await s.post('/jobs', { type: 't' })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ id: 'x', state: 'completed', removed: true })
  })

  test('carries a good traceparent of the header and drops a bad one', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await s.post('/jobs', { type: 't' }, { ...JSON_TYPE, traceparent })
    expect((await s.post('/jobs', { type: 't' }, { ...JSON_TYPE, traceparent: 'nonsense' })).status).toBe(201)
    expect(s.fake.calls[0]?.[1]).toMatchObject({ traceparent })
    expect(s.fake.calls[1]?.[1]).not.toHaveProperty('traceparent')
  })

  test.each([
    ['', 400, 'invalid_json'],
    ['{', 400, 'invalid_json'],
    ['[]', 422, 'invalid_job'],
    ['{"type":"t","priority":"x","runAt":1}', 422, 'invalid_job'],
    ['{"type":"t","group":"g"}', 422, 'unsupported'],
    [`{"type":"t","payload":"${'x'.repeat(1_048_576)}"}`, 413, 'payload_too_large'],
    [`{"type":"t","payload":"${'x'.repeat(7_000_000)}"}`, 413, 'payload_too_large'],
  ])('answers %.40s with %i and nothing is stored', async (body, status, code) => {
    expect(await problem(await s.post('/jobs', body))).toMatchObject({ status, code })
    expect(s.fake.calls).toEqual([])
  })

  test('names every problem of a body at once', async () => {
    const view = await problem(await s.post('/jobs', { priority: 'x', runAt: 1 }))
    expect(view.errors?.map(({ path }) => path)).toEqual(['type', 'priority', 'runAt'])
    expect(view.detail).toBe('3 problems, the first of them type: is required')
  })

  test('takes a body with a byte order mark, and refuses one that is not UTF-8', async () => {
    expect((await s.post('/jobs', '\ufeff{"type":"t"}')).status).toBe(201)
    const latin1 = await s.ask('/jobs', {
      method: 'POST',
      headers: JSON_TYPE,
      body: Buffer.from('{"type":"t","payload":"ü"}', 'latin1'),
    })
    expect(await problem(latin1)).toMatchObject({ status: 400, code: 'invalid_json' })
  })

  test('takes a payload that escapes make six times as long as it is stored', async () => {
    const answer = await s.post('/jobs', `{"type":"t","payload":"${'\\u0041'.repeat(1_048_574)}"}`)
    expect(answer.status).toBe(201)
  })

  test.each([
    [{ 'content-type': 'application/json; charset=utf-8' }, 201],
    [{ 'content-type': 'Application/JSON' }, 201],
    [{ 'content-type': 'text/plain' }, 415],
    [{ 'content-type': 'application/x-www-form-urlencoded' }, 415],
    [{ 'content-type': 'application/json; charset=latin1' }, 415],
    [{ 'content-type': 'application/json', 'content-encoding': 'gzip' }, 415],
  ])('answers %j with %i', async (headers, status) => {
    expect((await s.post('/jobs', { type: 't' }, headers as Record<string, string>)).status).toBe(status)
  })

  test('takes a body without a content type for JSON', async () => {
    const answer = await s.ask('/jobs', { method: 'POST', body: Buffer.from('{"type":"t"}') })
    expect(answer.status).toBe(201)
  })

  test('refuses parameters of the query instead of ignoring them', async () => {
    expect(await problem(await s.post('/jobs?dry_run=1', { type: 't' }))).toMatchObject({
      status: 400,
      errors: [{ path: 'dry_run' }],
    })
  })
})

describe('POST /jobs/bulk', () => {
  test('answers 201 with every id in the order sent', async () => {
    const answer = await s.post('/jobs/bulk', {
      jobs: [{ type: 'a', idempotency_key: 'k' }, { type: 'b' }, { type: 'a', idempotency_key: 'k' }],
    })
    expect(answer.status).toBe(201)
    const { jobs } = (await answer.json()) as { jobs: { id: string; created: boolean }[] }
    expect(jobs.map(({ created }) => created)).toEqual([true, true, false])
    expect(jobs[2]?.id).toBe(jobs[0]?.id)
  })

  test('reads lines with a byte order mark, CRLF, blank lines and no end', async () => {
    const answer = await s.post(
      '/jobs/bulk',
      '\ufeff{"type":"a"}\r\n\r\n \r\n{"type":"b","payload":1.10}\r\n{"type":"c"}',
      NDJSON,
    )
    expect(answer.status).toBe(201)
    expect(((await answer.json()) as { jobs: unknown[] }).jobs).toHaveLength(3)
    expect(s.fake.calls[0]?.[1]).toMatchObject([{ type: 'a' }, { type: 'b', payloadJson: '1.10' }, { type: 'c' }])
  })

  test('names the physical line that is broken, and stores nothing', async () => {
    const answer = await s.post(
      '/jobs/bulk',
      '\ufeff{"type":"a"}\r\n\r\n\r\n{"type":"b"}\r\n{"type":\r\n{"type":"c"}',
      NDJSON,
    )
    expect(await problem(answer)).toMatchObject({
      status: 400,
      errors: [{ path: 'line 5' }],
      detail: expect.stringContaining('line 5'),
    })
    expect(s.fake.calls).toEqual([])
  })

  test('names the place of a job that cannot be', async () => {
    const answer = await s.post('/jobs/bulk', { jobs: [{ type: 'a' }, { type: 'b', payload: 'a\0' }] })
    expect(await problem(answer)).toMatchObject({ status: 422, errors: [{ path: 'jobs[1].payload' }] })
  })

  test('names the line where the queue names a place', async () => {
    s.fake.failure = new ForgeQError('conflict', 'jobs[1]: the key belongs to another job', {
      errors: [{ path: 'jobs[1]', message: 'the key belongs to another job' }],
      details: { id: 'x' },
    })
    const answer = await s.post('/jobs/bulk', '{"type":"a"}\n\n{"type":"b"}\n', NDJSON)
    expect(await problem(answer)).toMatchObject({ status: 409, errors: [{ path: 'line 3' }], id: 'x' })
    const json = await s.post('/jobs/bulk', { jobs: [{ type: 'a' }, { type: 'b' }] })
    expect(await problem(json)).toMatchObject({ status: 409, errors: [{ path: 'jobs[1]' }] })
  })

  test('refuses one key for many jobs', async () => {
    const answer = await s.post('/jobs/bulk', { jobs: [] }, { ...JSON_TYPE, 'idempotency-key': 'k' })
    expect(await problem(answer)).toMatchObject({ status: 400, errors: [{ path: 'Idempotency-Key' }] })
  })

  test('takes an empty file for no jobs', async () => {
    const answer = await s.post('/jobs/bulk', '\r\n', NDJSON)
    expect(await answer.json()).toEqual({ jobs: [] })
  })
})
