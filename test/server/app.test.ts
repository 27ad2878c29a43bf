import { beforeEach, describe, expect, test } from 'vitest'
import { ForgeQError } from '../../src/errors.ts'
import { ProblemView } from '../../src/wire/problem.ts'
import { jobOf } from './fake-queue.ts'
import { setUp, type Setup } from './setup.ts'

let s: Setup
beforeEach(() => {
  s = setUp()
})

const problem = async (answer: Response) => {
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  return ProblemView.parse(await answer.json())
}

describe('addresses', () => {
  test.each(['/', '/job', '/jobs/', '/jobs/a/b/c', '/queues/q/pause/x', '/JOBS', '//jobs', '/%6aobs', '/constructor'])(
    'answers 404 at %s',
    async (path) => {
      const answer = await s.ask(`http://localhost${path}`)
      expect(answer.status).toBe(404)
      expect((await problem(answer)).code).toBe('not_found')
    },
  )

  test.each([
    ['PUT', '/jobs', 'POST, GET, HEAD'],
    ['GET', '/jobs/0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b/retry', 'POST'],
    ['PUT', '/queues/a%2Fb', 'GET, HEAD'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['OPTIONS', '/queues/q/pause', 'POST'],
    ['PATCH', '/jobs/0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b', 'GET, HEAD, DELETE'],
  ])('answers 405 to %s %s and tells the methods', async (method, path, allow) => {
    const answer = await s.ask(path, { method })
    expect([answer.status, answer.headers.get('allow')]).toEqual([405, allow])
    expect((await problem(answer)).code).toBe('method_not_allowed')
  })

  test.each([
    ['GET', '/jobs/%E0%A4%A', 400],
    ['GET', '/jobs/%', 400],
    ['GET', '/%', 400],
    ['GET', '/nowhere/%ff', 400],
    ['GET', '/jobs/%00', 422],
    ['GET', '/jobs/..%2f..%2fmetrics', 422],
    ['GET', '/jobs/%2e%2e%2fmetrics', 422],
    ['GET', '/jobs/not-a-uuid', 422],
    ['GET', '/jobs/bulk', 422],
    ['POST', '/queues/%25/pause', 400],
    ['POST', '/queues/%2525/pause', 400],
    ['POST', '/queues/a%2Fb/pause', 400],
    ['GET', '/queues/%00', 400],
    ['GET', '/workers/%00', 404],
  ])('refuses %s %s with %i and asks the queue for nothing', async (method, path, status) => {
    const answer = await s.ask(path, { method })
    expect(answer.status).toBe(status)
    await problem(answer)
    expect(s.fake.calls).toEqual([])
  })

  test('decodes a name once', async () => {
    await s.ask('/queues/%64efault')
    expect(s.fake.calls).toEqual([['queue', 'default']])
  })
})

describe('what the queue throws', () => {
  test('a database that is away is 503 with a time to come back, and no inside of it', async () => {
    s.fake.failure = new ForgeQError('unavailable', 'the database does not answer', {
      hint: 'is PostgreSQL running?',
      cause: new Error('select secret from forgeq.jobs'),
      details: { attempts: 3, inner: { sql: 'select 1' } },
    })
    const answer = await s.post('/jobs', { type: 't' })
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1'])
    const text = await answer.text()
    expect(ProblemView.parse(JSON.parse(text))).toMatchObject({
      code: 'unavailable',
      hint: 'is PostgreSQL running?',
      attempts: 3,
    })
    expect(text).not.toMatch(/select|stack|node:/)
  })

  test('a full queue is 429 with a time to come back', async () => {
    s.fake.failure = new ForgeQError('queue_full', 'the queue is full', { details: { queue: 'q' } })
    const answer = await s.post('/jobs', { type: 't' })
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '1'])
  })

  test.each([new TypeError('secret of the inside'), new ForgeQError('internal', 'secret of the inside')])(
    'an unexpected error is a bare 500 that the log explains',
    async (failure) => {
      s.fake.failure = failure
      const job = jobOf({ type: 't' })
      const answer = await s.ask(`/jobs/${job.id}`)
      expect(answer.status).toBe(500)
      const text = await answer.text()
      expect(text).not.toMatch(/secret/)
      const view = ProblemView.parse(JSON.parse(text))
      expect(s.logged).toMatchObject([
        {
          msg: 'unexpected error',
          request_id: view.request_id,
          job_id: job.id,
          err: { message: 'secret of the inside' },
        },
      ])
    },
  )
})

describe('health', () => {
  test('is alive without asking the database', async () => {
    s.fake.failure = new ForgeQError('unavailable', 'away')
    const answer = await s.ask('/healthz')
    expect([answer.status, await answer.json()]).toEqual([200, { status: 'ok', version: '0.1.0' }])
    expect(s.fake.calls).toEqual([])
  })

  test('is ready when the database fits', async () => {
    const answer = await s.ask('/readyz')
    expect([answer.status, await answer.json()]).toEqual([
      200,
      { status: 'ready', version: '0.1.0', postgres: '18.4', schema: 1 },
    ])
  })

  test.each(['unavailable', 'schema_mismatch'] as const)(
    'is not ready when it is %s, and says what is wrong',
    async (code) => {
      s.fake.failure = new ForgeQError(code, 'what is wrong', { hint: 'what to do' })
      const answer = await s.ask('/readyz')
      expect(answer.status).toBe(503)
      expect(await problem(answer)).toMatchObject({ code, detail: 'what is wrong', hint: 'what to do' })
    },
  )

  test('is not ready after an error that nobody foresaw', async () => {
    s.fake.failure = new Error('secret')
    const answer = await s.ask('/readyz')
    expect(answer.status).toBe(503)
    expect(await answer.text()).not.toContain('secret')
  })
})

describe('who may ask', () => {
  const withHost = (host: string, init: RequestInit = {}) =>
    s.ask('/healthz', { ...init, headers: { host, ...(init.headers as Record<string, string>) } })

  test.each(['localhost', 'localhost:8420', 'LOCALHOST:1', '127.0.0.1:8420', '[::1]:8420', '[::1]'])(
    'answers under its own name %s',
    async (host) => {
      expect((await withHost(host)).status).toBe(200)
    },
  )

  test.each([
    'evil.example',
    'evil.example:8420',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '10.0.0.5:8420',
    '0.0.0.0',
    'localhost:8420@evil.example',
    '::1',
    '[::1',
    'localhost:x',
    '',
  ])('refuses the foreign name %j', async (host) => {
    const answer = await withHost(host)
    expect(answer.status).toBe(403)
    expect(await problem(answer)).toMatchObject({ code: 'forbidden', hint: expect.stringContaining('localhost') })
  })

  test('refuses a foreign name before it tells which addresses there are', async () => {
    expect((await s.ask('/nowhere', { headers: { host: 'evil.example' } })).status).toBe(403)
  })

  test.each(['https://evil.example', 'http://localhost:3000', 'null', 'http://127.0.0.1:8420'])(
    'refuses a write from the origin %s',
    async (origin) => {
      const answer = await s.post(
        '/jobs',
        { type: 't' },
        { 'content-type': 'application/json', host: 'localhost:8420', origin },
      )
      expect(answer.status).toBe(403)
      expect(s.fake.calls).toEqual([])
    },
  )

  test('takes a write from its own origin, and lets other origins read what a browser will not show them', async () => {
    const own = await s.post(
      '/jobs',
      { type: 't' },
      { 'content-type': 'application/json', host: 'localhost:8420', origin: 'http://localhost:8420' },
    )
    expect(own.status).toBe(201)
    const other = await s.ask('/jobs', { headers: { origin: 'https://evil.example' } })
    expect(other.status).toBe(200)
    expect(other.headers.get('access-control-allow-origin')).toBeNull()
  })
})
