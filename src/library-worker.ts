import { type Logger, pino } from 'pino'
import type { Config } from './config.ts'
import { ForgeQError } from './errors.ts'
import { DURATION_HELP, parseDuration } from './job/duration.ts'
import { isKey } from './job/name.ts'
import { startLoops } from './loops/start.ts'
import type { Background } from './library-background.ts'
import type { OpenedDatabase } from './open-database.ts'
import { keepingOf } from './queue/create.ts'
import { createNotifier } from './queue/notifier.ts'
import type { Listener } from './store/listener.ts'
import { waitAtMost } from './store/wait-at-most.ts'
import { packageVersion } from './version.ts'
import { defaultWorkerName } from './worker-name.ts'
import { definitionOf, handlerOfDefinition, type JobDefinition } from './worker/definition.ts'
import { handlerSet, type Middleware } from './worker/handler.ts'
import { type RunningWorker, startWorker } from './worker/worker.ts'

export interface WorkerSettings {
  /** The jobs that it serves. */
  jobs: readonly JobDefinition[]
  /** Handlers at the same time; 10 when absent. */
  concurrency?: number
  /** The queues that it serves, as names or with the slots that each may take; every queue when absent. */
  queues?: readonly string[] | Readonly<Record<string, number | null>>
  name?: string
  /** False: this worker leaves scheduler, recovery, pruner and statistics to others. */
  loops?: boolean
  /** A pino logger; silent when absent. */
  log?: Logger
  /** Longest time that running handlers get at a stop; 25s when absent. */
  grace?: string
  lease?: string
  heartbeat?: string
  abortGrace?: string
  stallLimit?: string
}

export interface LibraryWorker {
  /** Wraps every run; the first one given is the outermost. Only before `start`. */
  use(middleware: Middleware): LibraryWorker
  /** Registers and begins to work. @throws {ForgeQError} `unavailable`, `schema_mismatch` */
  start(): Promise<void>
  /**
   * Leases nothing more, hands back what has not been started, lets running handlers finish within `grace`, then aborts
   * them. Ends within `grace` + 5 s. Safe twice, or before `start`.
   */
  stop(options?: { grace?: string }): Promise<void>
  /** Resolves with the reason when the worker cannot go on by itself: its main thread was stuck for too long. */
  readonly ended: Promise<string>
  /** Prometheus text of what this worker has seen. */
  metrics(): Promise<string>
}

export interface LibraryWorkerOptions {
  settings: WorkerSettings
  config: Config
  open(): Promise<{ database: OpenedDatabase; background: Background }>
}

/** Of the 5 s after the grace period, what the worker itself leaves. */
const LEAVE_MS = 300

interface Started {
  worker: RunningWorker
  listener: Listener
  stopLoops?: () => Promise<void>
}

/** A worker of a library client: `start` opens what it needs, `stop` closes it. */
export function createLibraryWorker({ settings, config: base, open }: LibraryWorkerOptions): LibraryWorker {
  const config = configured(base, settings)
  const handlers = handlerSet(settings.jobs.map((job) => handlerOfDefinition(checkedDefinition(job), 'library')))
  const log = settings.log ?? pino({ level: 'silent' })
  const middleware: Middleware[] = []
  let started: Promise<Started> | undefined
  let stopped = false
  let endedBy: (reason: string) => void = () => {}
  const ended = new Promise<string>((resolve) => (endedBy = resolve))

  async function start(): Promise<Started> {
    const { database, background } = await open()
    const { pool, connection } = database
    const { lookout } = background
    const keeping = keepingOf(config)
    const listener = background.listen()
    const worker = await startWorker({
      ...config,
      db: pool,
      connection,
      subscribe: listener.subscribe,
      lookout,
      handlers,
      middleware,
      name: settings.name ?? defaultWorkerName(),
      version: packageVersion(),
      keeping,
      exclusiveProcess: false,
      log,
    }).catch(async (error: unknown) => {
      await listener.close()
      throw error
    })
    void worker.ended.then(endedBy)
    const notifier = createNotifier(pool)
    const wakeWorkers = (queues: Iterable<string>) => {
      for (const queue of queues) notifier.wake('pending', queue)
    }
    if (settings.loops === false) return { worker, listener }
    const context = { db: pool, lookout, log, keeping, recoveryIntervalMs: config.recoveryIntervalMs, wakeWorkers }
    return { worker, listener, stopLoops: background.join(() => startLoops(context, listener.subscribe)) }
  }

  return {
    ended,
    use(one) {
      if (started) throw new ForgeQError('invalid_request', 'worker.use: the worker has been started')
      middleware.push(one)
      return this
    },
    async start() {
      if (stopped)
        throw new ForgeQError('invalid_request', 'worker.start: this worker has been stopped; make a new one')
      started ??= start().catch((error: unknown) => {
        started = undefined
        throw error
      })
      await started
    },
    async stop({ grace } = {}) {
      const how = grace === undefined ? {} : { graceMs: duration('grace', grace) }
      const running = await started?.catch(() => undefined)
      if (!running) return
      stopped = true
      const passes = running.stopLoops?.()
      await running.worker.stop(how)
      // A pass that the database does not answer ends with its connection; nothing is lost by it.
      await waitAtMost(LEAVE_MS, Promise.all([passes, running.listener.close()]))
    },
    async metrics() {
      const running = await started
      return running ? running.worker.metricsText() : ''
    },
  }
}

function configured(
  base: Config,
  { name, concurrency, queues, grace, lease, heartbeat, abortGrace, stallLimit }: WorkerSettings,
): Config {
  if (name !== undefined && !isKey(name)) {
    throw new ForgeQError('invalid_config', 'worker: name must be 1 to 255 bytes of UTF-8 without control characters')
  }
  if (concurrency !== undefined && !(Number.isInteger(concurrency) && concurrency >= 1)) {
    throw new ForgeQError('invalid_config', 'worker: concurrency must be a whole number of at least 1')
  }
  const served = Array.isArray(queues)
    ? Object.fromEntries((queues as string[]).map((queue) => [queue, null]))
    : (queues as Config['queues'])
  const leaseMs = lease === undefined ? base.leaseMs : duration('lease', lease)
  const heartbeatMs =
    heartbeat === undefined ? Math.min(base.heartbeatMs, Math.floor(leaseMs / 3)) : duration('heartbeat', heartbeat)
  if (heartbeatMs < 1 || heartbeatMs * 2 > leaseMs) {
    throw new ForgeQError('invalid_config', 'worker: heartbeat must be at most half of lease, and lease at least 3 ms')
  }
  return {
    ...base,
    leaseMs,
    heartbeatMs,
    ...(concurrency !== undefined && { concurrency }),
    ...(served && { queues: served }),
    ...(grace !== undefined && { graceMs: duration('grace', grace) }),
    ...(abortGrace !== undefined && { abortGraceMs: duration('abortGrace', abortGrace) }),
    ...(stallLimit !== undefined && { stallLimitMs: duration('stallLimit', stallLimit) }),
  }
}

/** A timer of Node holds no more: a longer one would fire at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

function checkedDefinition(job: JobDefinition): JobDefinition {
  const definition = definitionOf(job)
  if (!definition) throw new ForgeQError('invalid_config', 'worker: jobs are what defineJob returned')
  return definition
}

function duration(name: string, text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined) throw new ForgeQError('invalid_config', `worker: ${name}: ${DURATION_HELP}`)
  if (ms > LONGEST_TIMER_MS) throw new ForgeQError('invalid_config', `worker: ${name}: at most 24d`)
  return ms
}
