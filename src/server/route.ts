import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Logger } from 'pino'
import type { Config } from '../config.ts'
import type { JobQueue } from '../queue/job-queue.ts'
import type { Intake } from './intake.ts'

/** A request; its bindings to Node are absent where it came without a socket. */
export type HttpContext = Context<{ Bindings: Partial<HttpBindings> }>

/** What every handler can use. */
export interface ServerContext {
  readonly queue: JobQueue
  readonly config: Config
  readonly log: Logger
  readonly version: string
  readonly metrics: () => Promise<string>
  readonly intake: Intake
  /** Aborted when the server closes: whatever waits ends. */
  readonly closing: AbortSignal
}

export type Handler = (context: HttpContext, server: ServerContext) => Response | Promise<Response>

/** One entry of the table of routes. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** `/jobs/:id`: a segment that begins with a colon is a parameter. */
  readonly path: string
  readonly handle: Handler
  /** The query's parameters; `own`: the handler reads them itself. Absent: none is known. */
  readonly query?: 'own'
  /** Whoever watches the server asks this, and has to be told also when it refuses everybody else. */
  readonly always?: true
}
