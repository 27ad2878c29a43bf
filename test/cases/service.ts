import { pino } from 'pino'
import { type App, openApp } from '../../src/app.ts'
import { type Config, DEFAULTS } from '../../src/config.ts'
import { ForgeQ } from '../../src/forgeq.ts'
import type { LibraryWorker, WorkerSettings } from '../../src/library-worker.ts'
import type { JobView } from '../../src/wire/jobs.ts'
import type { ProblemView } from '../../src/wire/problem.ts'
import type { WhyView } from '../../src/wire/why.ts'
import type { TestDatabase } from '../support/database.ts'
import { linesInto, until } from '../support/worker.ts'

/** ForgeQ as its users meet it: an HTTP server with its loops over a database, on a free port. */
export interface Service {
  readonly url: string
  readonly app: App
  /** Parsed lines of its log. */
  readonly log: Record<string, unknown>[]
  /** A body that is text goes out as it is. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  close(): Promise<void>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body, read as what this kind of answer holds. */
  json(): unknown
  job(): JobView
  items(): JobView[]
  problem(): ProblemView
  why(): WhyView
  bulk(): { id: string; created: boolean }[]
}

const open = new Set<() => Promise<void>>()

/** Ends what the tests of this file have opened, the last first: for `afterEach` or `afterAll`. */
export async function leaveNothing(): Promise<void> {
  for (const close of [...open].toReversed()) await close()
  open.clear()
}

/** @param config what differs from the defaults */
export async function startService(db: TestDatabase, config: Partial<Config> = {}): Promise<Service> {
  const log: Record<string, unknown>[] = []
  const app = await openApp({
    config: { ...DEFAULTS, databaseUrl: db.url, port: 0, ...config },
    log: pino({ level: 'info' }, linesInto(log)),
    whenAway: 'fail',
  })
  if (config.loops !== false) app.startLoops()
  const server = await app.startServer()
  const close = async () => {
    await server.close()
    await app.close()
  }
  open.add(close)
  return {
    url: server.url,
    app,
    log,
    close,
    async ask(method, path, body, headers = { 'content-type': 'application/json' }) {
      const response = await fetch(`${server.url}${path}`, {
        method,
        ...(body !== undefined && { headers, body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await response.text()
      const json = (): unknown => JSON.parse(text)
      return {
        status: response.status,
        headers: response.headers,
        text,
        json,
        job: () => json() as JobView,
        items: () => (json() as { items: JobView[] }).items,
        problem: () => json() as ProblemView,
        why: () => json() as WhyView,
        bulk: () => (json() as { jobs: { id: string; created: boolean }[] }).jobs,
      }
    },
  }
}

/** A client of the library. */
export function client(db: TestDatabase): ForgeQ {
  const forgeq = new ForgeQ({ databaseUrl: db.url })
  open.add(() => forgeq.close())
  return forgeq
}

/** A worker of the library, at work; its loops are left to the service. */
export async function startWorker(db: TestDatabase, settings: WorkerSettings): Promise<LibraryWorker> {
  const worker = client(db).worker({ loops: false, ...settings })
  await worker.start()
  open.add(() => worker.stop({ grace: '0s' }))
  return worker
}

/** The job over HTTP, once it is as it should be. */
export const jobWhen = (service: Service, id: string, isAsAwaited: (job: JobView) => boolean): Promise<JobView> =>
  until(`job ${id} is as awaited`, async () => {
    const job = (await service.ask('GET', `/jobs/${id}`)).job()
    return isAsAwaited(job) ? job : undefined
  })

export const inState =
  (...states: string[]) =>
  ({ state }: JobView) =>
    states.includes(state)
