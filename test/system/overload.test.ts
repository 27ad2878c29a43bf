import { readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { flood, type Flood } from './flood.ts'
import { leaveNothing, project, server } from './processes.ts'

const db = testDatabase()
afterEach(leaveNothing)

const megabytesOf = (pid: number, what: 'VmRSS' | 'VmHWM') =>
  Number(new RegExp(`${what}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024

/** One after the other, as somebody else does meanwhile. Gives what was answered, and the slowest answer. */
async function shortJobs(
  url: string,
  signal: AbortSignal,
): Promise<{ answers: Record<number, number>; slowestMs: number }> {
  const answers: Record<number, number> = {}
  let slowestMs = 0
  while (!signal.aborted) {
    const askedAt = performance.now()
    const { status } = await fetch(`${url}/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"type":"short"}',
    })
    slowestMs = Math.max(slowestMs, performance.now() - askedAt)
    answers[status] = (answers[status] ?? 0) + 1
  }
  return { answers, slowestMs }
}

/** With the megabytes that the process may take: what it takes on, and what it makes of it when all of it ends at once. */
const FLOODS: [string, Omit<Flood, 'url'>, number][] = [
  [
    '300 connections with 5 MB each',
    { connections: 300, bodyBytes: 5_000_000, bytesPerSecond: 100e6, seconds: 5 },
    400,
  ],
]
if (process.env['FORGEQ_FLOOD']) {
  const flood = { connections: 2_000, bodyBytes: 900_000, bytesPerSecond: 100e6, seconds: 40 }
  FLOODS.push(['2,000 connections with 0.9 MB each', flood, 768])
  FLOODS.push(['2,000 connections that do not say their length', { ...flood, chunked: true }, 768])
}

test.each(FLOODS)(
  'a server under %s refuses most, keeps its memory and takes short jobs',
  async (_what, shape, mostMegabytes) => {
    const { url, pid } = await server(project(), ['--database-url', db.url])
    const over = new AbortController()
    const others = shortJobs(url, over.signal)
    const { answers, retryAfter, sentBytes } = await flood({ url, ...shape })
    over.abort()
    const { answers: short, slowestMs } = await others
    const peak = megabytesOf(pid, 'VmHWM')
    if (process.env['FORGEQ_FLOOD'])
      process.stdout.write(`${JSON.stringify({ shape, answers, short, slowestMs, sentBytes, peak })}\n`)
    // The bodies alone that were sent and not answered would be more.
    expect(sentBytes / 1_048_576).toBeGreaterThan(400)
    expect(peak).toBeLessThan(mostMegabytes)
    expect(Object.keys(answers).filter((status) => !['201', '503'].includes(status))).toEqual([])
    expect(answers['503']).toBeGreaterThan(0)
    expect(retryAfter).toBe(answers['503'])
    expect(Object.keys(short)).toEqual(['201'])
    const again = await fetch(`${url}/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ type: 'long', payload: 'x'.repeat(900_000) }),
    })
    expect(again.status).toBe(201)
  },
  180_000,
)
