import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { IntakeLimits } from '../../src/server/intake.ts'
import { jobOf } from './fake-queue.ts'
import { setUp, type Setup } from './setup.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const opened of open.splice(0).toReversed()) await opened.close()
})

async function listen(intake: Partial<IntakeLimits>): Promise<Setup & { url: string; port: number }> {
  const s = setUp({}, {}, intake)
  const listening = await s.server.listen()
  open.push(listening)
  return { ...s, url: listening.url, port: Number(new URL(listening.url).port) }
}

async function dial(port: number): Promise<Socket & { text: string }> {
  const socket = Object.assign(connect(port, '127.0.0.1'), { text: '' })
  socket.on('data', (chunk: Buffer) => (socket.text += chunk.toString('latin1'))).on('error', () => undefined)
  open.push({ close: () => socket.destroy() })
  await once(socket, 'connect')
  return socket
}

const HEAD = 'Host: localhost\r\nContent-Type: application/json\r\n'
const job = (bytes: number) => {
  const empty = '{"type":"t","payload":""}'
  return empty.replace('""', `"${'x'.repeat(bytes - empty.length)}"`)
}
const post = (url: string, body: string) =>
  fetch(`${url}/jobs`, { method: 'POST', headers: { 'content-type': 'application/json' }, body })

describe('of requests under way', () => {
  test('one too many is refused with a time to come back, and taken when another is answered', async () => {
    const s = await listen({ requests: 2 })
    const { id } = jobOf({ type: 't' })
    s.fake.jobsById.set(id, jobOf({ type: 't', id }))
    const waiting = [1, 2].map(() => fetch(`${s.url}/jobs/${id}/result?wait=30s`))
    await expect.poll(() => s.fake.waiting).toBe(2)
    const refused = await post(s.url, job(100))
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await refused.json()).toMatchObject({
      code: 'overloaded',
      hint: expect.stringContaining('nothing was done'),
    })
    expect(s.fake.calls.some(([call]) => call === 'enqueue')).toBe(false)
    s.fake.settle()
    for (const answer of await Promise.all(waiting)) await answer.text()
    await expect.poll(async () => (await post(s.url, job(100))).status).toBe(201)
  })

  test('a client that goes away makes room', async () => {
    const s = await listen({ requests: 1 })
    const { id } = jobOf({ type: 't' })
    s.fake.jobsById.set(id, jobOf({ type: 't', id }))
    const socket = await dial(s.port)
    socket.write(`GET /jobs/${id}/result?wait=30s HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    await expect.poll(() => s.fake.waiting).toBe(1)
    expect((await fetch(`${s.url}/queues`)).status).toBe(503)
    socket.destroy()
    await expect.poll(async () => (await fetch(`${s.url}/queues`)).status).toBe(200)
  })

  test.each(['/healthz', '/readyz', '/metrics'])('%s is answered whatever is under way', async (path) => {
    const s = await listen({ requests: 0 })
    expect((await fetch(`${s.url}/queues`)).status).toBe(503)
    expect((await fetch(s.url + path)).status).toBe(200)
  })
})

describe('of bodies under way', () => {
  /** A request that says it sends so many bytes, and sends half of them. */
  async function begin(port: number, bytes: number): Promise<Socket & { text: string; rest: string }> {
    const body = job(bytes)
    const socket = await dial(port)
    socket.write(`POST /jobs HTTP/1.1\r\n${HEAD}Content-Length: ${bytes}\r\n\r\n${body.slice(0, bytes / 2)}`)
    return Object.assign(socket, { rest: body.slice(bytes / 2) })
  }

  test('one too many is refused before it is read, and those under way come to their end', async () => {
    const s = await listen({ bodyBytes: 200_000 })
    const first = await begin(s.port, 120_000)
    const second = await begin(s.port, 120_000)
    await expect
      .poll(() => first.text + second.text)
      .toMatch(/^HTTP\/1\.1 503 [^]*retry-after: 1\r\n[^]*"code":"overloaded"/)
    const [taken, refused] = second.text === '' ? [second, first] : [first, second]
    taken.write(taken.rest)
    await expect.poll(() => taken.text).toMatch(/^HTTP\/1\.1 201 /)
    // The connection of the refused one is still good: its body ends, and it tries again.
    refused.text = ''
    refused.write(`${refused.rest}POST /jobs HTTP/1.1\r\n${HEAD}Content-Length: 120000\r\n\r\n${job(120_000)}`)
    await expect.poll(() => refused.text).toMatch(/^HTTP\/1\.1 201 /)
  })

  test('a body of unknown length is refused as it grows, and what it held is free again', async () => {
    const s = await listen({ bodyBytes: 200_000 })
    const first = await begin(s.port, 120_000)
    await expect.poll(async () => (await post(s.url, job(120_000))).status).toBe(503)
    const growing = await dial(s.port)
    growing.write(`POST /jobs HTTP/1.1\r\n${HEAD}Transfer-Encoding: chunked\r\n\r\n`)
    const piece = `${(40_000).toString(16)}\r\n${'x'.repeat(40_000)}\r\n`
    for (let n = 0; n < 3; n++) growing.write(piece)
    await expect.poll(() => growing.text).toMatch(/^HTTP\/1\.1 503 /)
    expect((await post(s.url, job(70_000))).status).toBe(201)
    first.write(first.rest)
    await expect.poll(() => first.text).toMatch(/^HTTP\/1\.1 201 /)
  })

  test('lines count as they come', async () => {
    const s = await listen({ bodyBytes: 200_000 })
    const lines = await dial(s.port)
    lines.write(
      'POST /jobs/bulk HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    const line = `${job(29_999)}\n`
    for (let n = 0; n < 4; n++) lines.write(`${line.length.toString(16)}\r\n${line}\r\n`)
    await expect.poll(async () => (await post(s.url, job(120_000))).status).toBe(503)
    lines.write('0\r\n\r\n')
    await expect.poll(() => lines.text).toMatch(/^HTTP\/1\.1 201 /)
    expect((await post(s.url, job(120_000))).status).toBe(201)
  })

  test('short ones are let in beside a flood of long ones', async () => {
    const s = await listen({ bodyBytes: 200_000 })
    await begin(s.port, 190_000)
    await expect.poll(async () => (await post(s.url, job(120_000))).status).toBe(503)
    expect((await post(s.url, job(16_384))).status).toBe(201)
  })

  test('one alone is let in, however long a body may be here', async () => {
    const s = await listen({ bodyBytes: 10_000 })
    expect((await post(s.url, job(500_000))).status).toBe(201)
    expect((await post(s.url, job(500_000))).status).toBe(201)
  })

  test('a sender that goes away makes room', async () => {
    const s = await listen({ bodyBytes: 200_000 })
    const first = await begin(s.port, 120_000)
    await expect.poll(async () => (await post(s.url, job(120_000))).status).toBe(503)
    first.destroy()
    await expect.poll(async () => (await post(s.url, job(120_000))).status).toBe(201)
  })
})
