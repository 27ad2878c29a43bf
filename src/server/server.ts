import { createServer as createHttpServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener } from '@hono/node-server'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import { ForgeQError } from '../errors.ts'
import type { JobQueue } from '../queue/job-queue.ts'
import { loopbackAddress } from './access.ts'
import { createHttpApp, type App } from './app.ts'
import { createIntake, INTAKE, type IntakeLimits } from './intake.ts'
import { createMetrics } from './metrics.ts'
import { problemResponse } from './problem.ts'
import { answerBrokenRequest } from './broken-request.ts'

export interface ServerOptions {
  queue: JobQueue
  config: Config
  log: Logger
  version: string
  /** Text about the process itself, added to `/metrics`. */
  processMetrics?: () => Promise<string>
  timeouts?: Partial<Timeouts>
  intake?: Partial<IntakeLimits>
}

export interface Timeouts {
  /** For the request's headers. */
  headersMs: number
  /** For the request with its body. */
  requestMs: number
  /** Between two looks for requests that have run out of time. */
  checkMs: number
  /** For a connection on which nothing moves, in either direction. */
  idleMs: number
  /** For answers under way when the server closes. */
  closeMs: number
}

/** Slow requests are cut off within 65 s. */
export const TIMEOUTS: Timeouts = {
  headersMs: 30_000,
  requestMs: 60_000,
  checkMs: 5_000,
  idleMs: 120_000,
  closeMs: 5_000,
}

/** Connections that wait to be taken up; the system's own limit holds too. Beyond it a caller hears nothing for seconds. */
const BACKLOG = 4_096

export interface Server {
  /** The routes without a socket: `app.request('/jobs')`. */
  readonly app: App
  /**
   * Opens the port. @throws {ForgeQError} `forbidden` for a host that is not loopback; the system's error when the port
   * is taken
   */
  listen(): Promise<Listening>
}

export interface Listening {
  readonly url: string
  /** Lets answers under way finish for a moment, then ends every connection. Safe twice. */
  close(): Promise<void>
}

/** The HTTP API of a queue. Nothing is opened before `listen`. */
export function createServer(options: ServerOptions): Server {
  const { queue, config, log, version, processMetrics, timeouts, intake } = options
  const closing = new AbortController()
  const app = createHttpApp({
    queue,
    config,
    log,
    version,
    metrics: createMetrics({ queue, version, ...(processMetrics && { processMetrics }) }),
    closing: closing.signal,
    intake: createIntake({ ...INTAKE, ...intake }),
  })
  return {
    app,
    listen: async () => {
      const limits = { ...TIMEOUTS, ...timeouts }
      const address = await loopbackAddress(config.host)
      const http = createNodeServer(app, limits)
      await new Promise<void>((resolve, reject) => {
        http.once('error', reject)
        http.listen({ host: address, port: config.port, backlog: BACKLOG }, () => {
          http.off('error', reject)
          resolve()
        })
      })
      const { port } = http.address() as AddressInfo
      let closed: Promise<void> | undefined
      return {
        url: `http://${address.includes(':') ? `[${address}]` : address}:${port}`,
        close: () => {
          closing.abort()
          closed ??= closeServer(http, limits.closeMs)
          return closed
        },
      }
    },
  }
}

function createNodeServer(app: App, { headersMs, requestMs, checkMs, idleMs }: Timeouts): HttpServer {
  const listener = getRequestListener(app.fetch, {
    // Node discards what is left of a body until its request timeout, so the sender of a refused one can read why.
    autoCleanupIncoming: false,
    errorHandler: () =>
      problemResponse(new ForgeQError('invalid_request', 'the request line or the Host header is not valid')),
  })
  const http = createHttpServer(
    {
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: checkMs,
      keepAliveTimeout: 65_000,
    },
    (incoming, outgoing) => void listener(incoming, outgoing),
  )
  // An expectation that nobody knows may be ignored; Node would refuse it without a word.
  http.on('checkExpectation', (incoming, outgoing) => void listener(incoming, outgoing))
  http.setTimeout(idleMs)
  http.on('clientError', answerBrokenRequest)
  return http
}

function closeServer(http: HttpServer, closeMs: number): Promise<void> {
  return new Promise((resolve) => {
    const force = setTimeout(() => http.closeAllConnections(), closeMs)
    // A connection becomes idle only when its last answer is out.
    const sweep = setInterval(() => http.closeIdleConnections(), 50)
    http.close(() => {
      clearTimeout(force)
      clearInterval(sweep)
      resolve()
    })
    http.closeIdleConnections()
  })
}
