import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import type { Config } from '../../src/config.ts'
import type { Listening, Timeouts } from '../../src/server/server.ts'
import { jobOf } from './fake-queue.ts'
import { setUp, type Setup } from './setup.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const opened of open.splice(0).toReversed()) await opened.close()
})

async function listen(
  config: Partial<Config> = {},
  timeouts: Partial<Timeouts> = {},
): Promise<Setup & Listening & { port: number }> {
  const s = setUp(config, timeouts)
  const listening = await s.server.listen()
  open.push(listening)
  return { ...s, ...listening, port: Number(new URL(listening.url).port) }
}

/** A connection on which a test writes what it likes; `text` is all that came back so far. */
async function dial(port: number): Promise<Socket & { text: string; ended: Promise<unknown> }> {
  const socket = connect(port, '127.0.0.1')
  const dialled = Object.assign(socket, { text: '', ended: once(socket, 'close') })
  socket.on('data', (chunk: Buffer) => (dialled.text += chunk.toString('latin1'))).on('error', () => undefined)
  open.push({ close: () => socket.destroy() })
  await once(socket, 'connect')
  return dialled
}

describe('listening', () => {
  test('serves on loopback and says where', async () => {
    const s = await listen()
    expect(s.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const answer = await fetch(`${s.url}/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"type":"t"}',
    })
    expect(answer.status).toBe(201)
  })

  test.each(['localhost', '127.0.0.2'])('serves on %s, which is loopback', async (host) => {
    const s = await listen({ host })
    expect((await fetch(`${s.url}/healthz`)).status).toBe(200)
  })

  test.each(['0.0.0.0', '::', '192.0.2.1', 'no-such-host.invalid'])(
    'refuses to bind %s and says what to do',
    async (host) => {
      await expect(setUp({ host }).server.listen()).rejects.toMatchObject({
        code: 'forbidden',
        hint: expect.stringContaining('tunnel'),
      })
    },
  )

  test('passes on the system’s error when the port is taken', async () => {
    const { port } = await listen()
    await expect(setUp({ port }).server.listen()).rejects.toMatchObject({ code: 'EADDRINUSE' })
  })

  test('names the address of who paused', async () => {
    const s = await listen()
    await fetch(`${s.url}/queues/q/pause`, { method: 'POST' })
    expect(s.fake.calls).toEqual([['pause', 'q', { by: '127.0.0.1' }]])
  })
})

describe('raw requests', () => {
  test.each([
    ['GET /jobs/../metrics', 404],
    ['GET /jobs/%2e%2e/metrics', 404],
    ['GET /jobs/%2e%2e%2fmetrics', 422],
    ['GET /jobs/%E0%A4%A', 400],
    ['GET http://evil.example/healthz', 200],
    ['GET /a\\b', 400],
  ])('%s is answered with %i', async (line, status) => {
    const { port } = await listen()
    const socket = await dial(port)
    socket.write(`${line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    await socket.ended
    expect(socket.text).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
    if (status >= 400) expect(socket.text).toContain('application/problem+json')
  })

  test.each([
    ['GET /healthz HTTP/1.1\r\n\r\n', 400],
    ['GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n', 403],
    ['GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
    ['nonsense\r\n\r\n', 400],
    [`GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431],
  ])('%.50j is refused with %i', async (request, status) => {
    const { port } = await listen()
    const socket = await dial(port)
    socket.write(request)
    await expect.poll(() => socket.text).toMatch(new RegExp(`^HTTP/1.1 ${status} `))
  })

  test('two idempotency keys are refused, not joined to a third', async () => {
    const { port, fake } = await listen()
    const socket = await dial(port)
    const body = '{"type":"t"}'
    const keys = 'Idempotency-Key: a\r\nidempotency-key: b'
    socket.write(
      `POST /jobs HTTP/1.1\r\nHost: localhost\r\n${keys}\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`,
    )
    await socket.ended
    expect(socket.text).toMatch(/^HTTP\/1.1 400 [^]*"path":"Idempotency-Key"/)
    expect(fake.calls).toEqual([])
  })

  test('an expectation that is none is passed over', async () => {
    const { port } = await listen()
    const socket = await dial(port)
    socket.write('GET /nothing HTTP/1.1\r\nHost: localhost\r\nExpect: miracles\r\nConnection: close\r\n\r\n')
    await socket.ended
    expect(socket.text).toMatch(/^HTTP\/1.1 404 [^]*application\/problem\+json/)
  })

  test('an act with JSON’s content type and no body is done', async () => {
    const s = await listen()
    const job = jobOf({ type: 't' }, { state: 'dead' })
    s.fake.jobsById.set(job.id, job)
    for (const [method, path] of [
      ['POST', `/jobs/${job.id}/retry`],
      ['POST', '/queues/q/pause'],
      ['DELETE', `/jobs/${job.id}`],
    ] as const) {
      const answer = await fetch(s.url + path, { method, headers: { 'content-type': 'application/json' } })
      expect(answer.ok).toBe(true)
    }
    const enqueue = await fetch(`${s.url}/jobs`, { method: 'POST', headers: { 'content-type': 'application/json' } })
    expect(enqueue.status).toBe(400)
    expect((await fetch(`${s.url}/healthz`)).status).toBe(200)
  })
})

describe('sizes', () => {
  test('a body that announces too much is refused before it comes', async () => {
    const { port } = await listen()
    const socket = await dial(port)
    socket.write(
      'POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50000000\r\n\r\n{',
    )
    await expect.poll(() => socket.text).toMatch(/^HTTP\/1.1 413 .*payload_too_large/s)
  })

  test('a sender that writes 50 MB to the end before it reads gets to read the 413', async () => {
    const { port } = await listen()
    const socket = await dial(port)
    socket.pause()
    socket.write(
      'POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 50000000\r\n\r\n',
    )
    const megabyte = Buffer.alloc(1_000_000, 'x')
    for (let sent = 0; sent < 50; sent++) {
      if (!socket.write(megabyte)) await once(socket, 'drain')
    }
    socket.resume()
    await socket.ended
    expect(socket.text).toMatch(/^HTTP\/1.1 413 .*payload_too_large/s)
  })

  test.each(['application/json', 'application/x-ndjson'])(
    'a line of 50 MB of %s without an end is refused while it is read, and the memory hardly grows',
    async (type) => {
      const s = await listen()
      const path = type === 'application/json' ? '/jobs' : '/jobs/bulk'
      const megabyte = Buffer.alloc(1_000_000, 'x')
      async function pour(socket: Awaited<ReturnType<typeof dial>>, megabytes: number, look: (sent: number) => void) {
        socket.write(
          `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n`,
        )
        for (let sent = 0; sent < megabytes; sent++) {
          socket.write(`${megabyte.length.toString(16)}\r\n`)
          socket.write(megabyte)
          if (!socket.write('\r\n')) await once(socket, 'drain')
          look(sent)
        }
      }
      // What a process grows by in its first refusal is not what it holds of the body.
      await pour(await dial(s.port), 10, () => {})
      const socket = await dial(s.port)
      const before = process.memoryUsage().rss
      let highest = before
      let answeredAfter = 0
      await pour(socket, 50, (sent) => {
        highest = Math.max(highest, process.memoryUsage().rss)
        if (socket.text.startsWith('HTTP/1.1 413 ')) answeredAfter ||= sent
      })
      await expect.poll(() => socket.text).toMatch(/^HTTP\/1.1 413 .*payload_too_large/s)
      expect(answeredAfter).toBeGreaterThan(0)
      expect(answeredAfter).toBeLessThan(40)
      expect((highest - before) / 1_048_576).toBeLessThan(32)
      expect(s.fake.calls).toEqual([])
    },
  )

  test('the connection of a refused body serves the next request', async () => {
    const { port } = await listen()
    const socket = await dial(port)
    socket.write('POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello')
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await expect.poll(() => socket.text).toMatch(/^HTTP\/1.1 415 .*HTTP\/1.1 200 /s)
  })

  test('a sender that goes away after its refusal does no harm', async () => {
    const s = await listen()
    const socket = await dial(s.port)
    socket.write('POST /jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n')
    const megabyte = Buffer.alloc(1_000_000, 'x')
    while (!socket.text.startsWith('HTTP/1.1 413 ')) {
      socket.write(`${megabyte.length.toString(16)}\r\n`)
      socket.write(megabyte)
      if (!socket.write('\r\n')) await once(socket, 'drain')
    }
    socket.resetAndDestroy()
    await socket.ended
    expect((await fetch(`${s.url}/healthz`)).status).toBe(200)
    expect(s.logged).toEqual([])
  })

  test('a bulk of many chunks keeps its lines whole', async () => {
    const s = await listen()
    const lines = Array.from(
      { length: 3_000 },
      (_, index) => `{"type":"t${index}","payload":"ü🦁${'x'.repeat(index % 97)}"}`,
    )
    const answer = await fetch(`${s.url}/jobs/bulk`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: lines.join('\n'),
    })
    expect(answer.status).toBe(201)
    const jobs = s.fake.calls[0]?.[1] as { type: string; payloadJson: string }[]
    expect(jobs.map(({ type }) => type)).toEqual(lines.map((_, index) => `t${index}`))
    expect(jobs[96]?.payloadJson).toBe(`"ü🦁${'x'.repeat(96)}"`)
  })
})

describe('slow and vanished clients', () => {
  const FAST: Partial<Timeouts> = { headersMs: 300, requestMs: 600, checkMs: 50 }

  test('headers that do not end are cut off', async () => {
    const { port } = await listen({}, FAST)
    const socket = await dial(port)
    socket.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n')
    await socket.ended
    expect(socket.text).toMatch(/^HTTP\/1.1 408 .*problem\+json/s)
  })

  test('a body that does not end is cut off, and the server lives', async () => {
    const s = await listen({}, FAST)
    const socket = await dial(s.port)
    socket.write(
      'POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"type":',
    )
    await socket.ended
    expect((await fetch(`${s.url}/healthz`)).status).toBe(200)
    expect(s.fake.calls).toEqual([])
    expect(s.logged).toEqual([])
  })

  test('the times in force cut off within 65 s', async () => {
    const { TIMEOUTS } = await import('../../src/server/server.ts')
    expect(TIMEOUTS.headersMs + TIMEOUTS.checkMs).toBeLessThanOrEqual(65_000)
    expect(TIMEOUTS.requestMs + TIMEOUTS.checkMs).toBeLessThanOrEqual(65_000)
  })

  test('who waits for a result and goes away is waited for no more', async () => {
    const s = await listen()
    const job = jobOf({ type: 't' }, { state: 'running' })
    s.fake.jobsById.set(job.id, job)
    const socket = await dial(s.port)
    socket.write(`GET /jobs/${job.id}/result?wait=60s HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    await expect.poll(() => s.fake.waiting).toBe(1)
    socket.destroy()
    await expect.poll(() => s.fake.waiting).toBe(0)
  })

  test('a sender that goes away in the middle of a bulk leaves nothing behind', async () => {
    const s = await listen()
    const socket = await dial(s.port)
    socket.write(
      'POST /jobs/bulk HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: 1000\r\n\r\n{"type":"t"}\n',
    )
    await delay(50)
    socket.destroy()
    expect((await fetch(`${s.url}/healthz`)).status).toBe(200)
    expect(s.fake.calls).toEqual([])
    expect(s.logged).toEqual([])
  })
})

describe('closing', () => {
  test('answers who waits for a result with the state, then ends', async () => {
    const s = await listen()
    const job = jobOf({ type: 't' }, { state: 'running' })
    s.fake.jobsById.set(job.id, job)
    const answer = fetch(`${s.url}/jobs/${job.id}/result?wait=60s`)
    await expect.poll(() => s.fake.waiting).toBe(1)
    await Promise.all([s.close(), s.close()])
    expect((await answer).status).toBe(202)
    await expect(fetch(`${s.url}/healthz`)).rejects.toThrow()
  })

  test('does not wait for an upload that never ends', async () => {
    const s = await listen({}, { closeMs: 100 })
    const socket = await dial(s.port)
    socket.write(
      'POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{',
    )
    await expect.poll(() => socket.bytesWritten).toBeGreaterThan(50)
    await s.close()
    await socket.ended
  })
})
