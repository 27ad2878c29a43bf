import { connect } from 'node:net'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { insertJob, insertSession } from '../support/factory.ts'
import { answer, leaveNothing, project, server, until } from './processes.ts'

const db = testDatabase()
let api: Awaited<ReturnType<typeof server>>

beforeAll(async () => {
  api = await server(project(), [], { env: { DATABASE_URL: db.url } })
})
afterAll(leaveNothing)

interface RawAnswer {
  status: number
  headers: string
  body: string
}

/** What a client sends byte for byte, and what comes back. */
function raw(...parts: (string | Uint8Array)[]): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1')
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
    socket.on('error', (error) => (text === '' ? reject(error) : done()))
    socket.on('close', () => done())
    const done = () => {
      const [headers = '', ...body] = text.split('\r\n\r\n')
      resolve({ status: Number(headers.split(' ')[1]), headers, body: body.join('\r\n\r\n') })
    }
    for (const part of parts) socket.write(part)
  })
}

const request = (method: string, path: string, headers: string[] = [], body = '') =>
  raw(
    [
      `${method} ${path} HTTP/1.1`,
      `host: ${new URL(api.url).host}`,
      'connection: close',
      ...headers,
      ...(body === '' ? [] : [`content-length: ${Buffer.byteLength(body)}`]),
      '',
      body,
    ].join('\r\n'),
  )

const JSON_TYPE = 'content-type: application/json'
const jobs = async (): Promise<number> =>
  (await db.sql<{ n: number }>('select count(*)::int as n from forgeq.jobs'))[0]!.n

test('an empty body that calls itself JSON does no harm where none is needed, and is refused where one is', async () => {
  const pending = await insertJob(db.pool, { type: 'unserved' })
  expect((await request('DELETE', `/jobs/${pending}`, [JSON_TYPE])).status).toBeLessThan(300)
  expect((await request('POST', '/queues/some_queue/pause', [JSON_TYPE, 'content-length: 0'])).status).toBeLessThan(300)

  const id = await insertJob(db.pool, { type: 'unserved' })
  expect((await request('POST', `/jobs/${id}/cancel`, [JSON_TYPE, 'content-length: 0'])).status).toBeLessThan(300)
  expect((await request('POST', `/jobs/${id}/retry`, [JSON_TYPE, 'content-length: 0'])).status).toBeLessThan(300)
  expect((await request('POST', '/jobs', [JSON_TYPE, 'content-length: 0'])).status).toBe(400)
})

test.each([
  ['GET', '/jobs/%E0%A4%A'],
  ['GET', '/jobs/%00'],
  ['GET', '/jobs/..%2f..%2fmetrics'],
  ['PUT', '/queues/a%2Fb'],
  ['GET', '/jobs/not-a-uuid'],
  ['POST', '/queues/%25/pause'],
])('%s %s is answered by a problem document, and by no other route', async (method, path) => {
  const { status, headers, body } = await request(method, path)
  expect([400, 404, 405, 422]).toContain(status)
  expect(headers.toLowerCase()).toContain('content-type: application/problem+json')
  expect(JSON.parse(body)).toMatchObject({ type: expect.any(String) as string })
  expect(body).not.toMatch(/select|at .*\.js:\d+/)
})

test('NDJSON as tools write it is taken in order; a broken line is named and nothing is stored', async () => {
  const line = (n: number) => `{"type":"unserved","payload":{"n":${n}}}`
  const send = (text: string) => request('POST', '/jobs/bulk', ['content-type: application/x-ndjson'], text)
  const good = await send(`\uFEFF${line(1)}\r\n\r\n${line(2)}\r\n\r\n${line(3)}`)
  expect(good.status).toBe(201)
  const { jobs: made } = JSON.parse(good.body) as { jobs: { id: string; created: boolean }[] }
  const payloads = await Promise.all(
    made.map(async ({ id }) => ((await (await fetch(`${api.url}/jobs/${id}`)).json()) as { payload: unknown }).payload),
  )
  expect(payloads).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])

  const before = await jobs()
  const bad = await send(`\uFEFF${line(1)}\r\n\r\n${line(2)}\r\n\r\n{"type":`)
  expect([400, 422]).toContain(bad.status)
  expect(bad.body).toMatch(/line 5/)
  expect(await jobs()).toBe(before)
})

test('one line of 50 MB without an end is a 413 while the memory of the server grows by less than 32 MB', async () => {
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${api.pid}/status`, 'utf8'))![1]) * 1024
  const head = `POST /jobs/bulk HTTP/1.1\r\nhost: ${new URL(api.url).host}\r\nconnection: close\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n`
  const part = Buffer.alloc(1_048_576, 'a')
  const chunk = Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')])
  const send = () => raw(head, ...Array<Uint8Array>(50).fill(chunk), '0\r\n\r\n')
  expect((await send()).status).toBe(413)
  // The first time Node also compiles, and sizes its heap.
  const before = memory()
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, memory() - before)), 5)
  expect((await send()).status).toBe(413)
  clearInterval(watch)
  expect(most).toBeLessThan(32 * 1_048_576)
})

test('one odd name does not blind the metrics', async () => {
  const odd = 'a"b\\c\nforgeq_up 0'
  await insertSession(db.pool, { name: odd, types: ['x'] })
  await insertJob(db.pool, { queue: 'plain', type: 'unserved' })
  let metrics = ''
  // The figures are at most a second old.
  await until(async () => {
    metrics = await (await fetch(`${api.url}/metrics`)).text()
    return metrics.includes('queue="plain"')
  })
  const sample =
    /^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="(\\[\\n"]|[^\\"\n])*",?)*\})? (NaN|[+-]?Inf|-?\d+(\.\d+)?([eE][+-]?\d+)?)$/
  const comment = /^# (HELP|TYPE) [a-zA-Z_:][a-zA-Z0-9_:]* .+$/
  for (const line of metrics.split('\n').filter((line) => line !== ''))
    expect(line).toMatch(line.startsWith('#') ? comment : sample)
  expect(metrics).not.toMatch(/^forgeq_up 0$/m)
  for (const name of ['forgeq_jobs', 'forgeq_workers', 'forgeq_oldest_pending_seconds'])
    expect(metrics).toMatch(new RegExp(`^${name}\\b`, 'm'))
  const workers = (await (await fetch(`${api.url}/workers`)).json()) as { items: { name: string }[] }
  expect(workers.items.map(({ name }) => name)).toContain(odd)
})

test('a pause is seen by the command line, and the server has lived through all of this', async () => {
  const listed = await answer(project(), ['queues', 'list', '--json'], { env: { DATABASE_URL: db.url } })
  expect(listed).toContain('some_queue')
  expect((await fetch(`${api.url}/healthz`)).status).toBe(200)
  expect(api.err()).not.toMatch(/unhandled|internal error/i)
})
