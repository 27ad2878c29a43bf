import { pino, type Logger } from 'pino'
import { DEFAULTS, type Config } from '../../src/config.ts'
import type { IntakeLimits } from '../../src/server/intake.ts'
import { createServer, type Server, type Timeouts } from '../../src/server/server.ts'
import { createFakeQueue, type FakeQueue } from './fake-queue.ts'

export interface Setup {
  fake: FakeQueue
  server: Server
  /** Lines of the log, parsed. */
  logged: Record<string, unknown>[]
  ask(path: string, init?: RequestInit): Promise<Response>
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>
}

/** A server on a queue in memory, without a socket unless a test listens. */
export function setUp(
  config: Partial<Config> = {},
  timeouts: Partial<Timeouts> = {},
  intake: Partial<IntakeLimits> = {},
): Setup {
  const fake = createFakeQueue()
  const logged: Record<string, unknown>[] = []
  const log: Logger = pino(
    { level: 'info' },
    { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) },
  )
  const server = createServer({
    queue: fake,
    config: { ...DEFAULTS, port: 0, ...config },
    log,
    version: '0.1.0',
    timeouts,
    intake,
  })
  const ask = async (path: string, init?: RequestInit): Promise<Response> => server.app.request(path, init)
  return {
    fake,
    server,
    logged,
    ask,
    post: (path, body, headers = { 'content-type': 'application/json' }) =>
      ask(path, {
        method: 'POST',
        headers,
        ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
  }
}
