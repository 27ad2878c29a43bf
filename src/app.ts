import { resolve } from 'node:path'
import type { Config } from './config.ts'
import type { Logger } from './log.ts'
import type { LoopContext } from './loops/index.ts'
import { isForgeQError } from './errors.ts'
import { openDatabase } from './open-database.ts'
import { createProcessMetrics, type ProcessMetrics } from './process-metrics.ts'
import { createJobQueue, keepingOf } from './queue/create.ts'
import type { JobQueue } from './queue/job-queue.ts'
import { createListener } from './store/listener.ts'
import { createLookout } from './store/lookout.ts'
import { type AppliedMigration, listMigrations, migrate, pendingMigrationsSql } from './store/schema.ts'
import { packageVersion } from './version.ts'
import { defaultWorkerName } from './worker-name.ts'
import type { HandlerSet } from './worker/handler.ts'
import type { RunningWorker } from './worker/worker.ts'

export type { HandlerSet } from './worker/handler.ts'
export type { RunningWorker } from './worker/worker.ts'

export interface OpenOptions {
  config: Config
  log: Logger
  /** `fail`: a database that is away is an error at once; `wait`: it is waited for, saying so. */
  whenAway: 'fail' | 'wait'
  /** `skip`: the schema is left as it is found, for the commands that look after it. */
  schema?: 'check' | 'skip'
  /** Ends the waiting. */
  signal?: AbortSignal
}

/** A process's part of ForgeQ, wired: the queue, and what of server, worker and loops it is asked to start. */
export interface App {
  readonly queue: JobQueue
  readonly database: { description: string; embedded: boolean; created: boolean }
  /** `sql` is the text of what is not applied yet. */
  migrations: { status(): Promise<AppliedMigration[]>; up(): Promise<number[]>; sql(): Promise<string> }
  /** Scheduler, recovery, pruner, statistics. */
  startLoops(): void
  startServer(): Promise<{ url: string; close(): Promise<void> }>
  startWorker(options: {
    handlers: HandlerSet
    concurrency?: number
    exclusiveProcess: boolean
  }): Promise<RunningWorker>
  /** From the configured folder. `strict`: throws `handler_invalid` naming every bad file; else reports them and serves the rest. */
  loadHandlers(options: { strict: boolean }): Promise<HandlerSet>
  /** Lets passes finish, sends the last hints, closes the pools and leaves the embedded PostgreSQL. Safe twice. */
  close(): Promise<void>
}

/** Config in, wired parts out: the only file that knows all layers. Errors: see `openDatabase`. */
export async function openApp({ config, log, whenAway, schema = 'check', signal }: OpenOptions): Promise<App> {
  const database = await openDatabase({ config, log, whenAway, schema, ...(signal && { signal }) })
  const { pool } = database
  const version = packageVersion()
  const keeping = keepingOf(config)
  const { flush, wakeWorkers, ...queue } = createJobQueue(pool, config)
  const listener = createListener(pool)
  const lookout = createLookout(pool)
  let processMetrics: ProcessMetrics | undefined
  const metrics = () => (processMetrics ??= createProcessMetrics(pool))
  const loopContext: LoopContext = {
    db: pool,
    lookout,
    log,
    keeping,
    recoveryIntervalMs: config.recoveryIntervalMs,
    wakeWorkers,
    onHandled: (loop, rows) => metrics().handled(loop, rows),
  }
  // The first rows of history find their partitions there.
  if (database.migrated) {
    const { createPruner } = await import('./loops/pruner.ts')
    await createPruner(loopContext)
      .runOnce()
      .catch((error: unknown) => {
        // Whoever runs the loops makes them then; until they are there the default partition takes the rows.
        if (!isForgeQError(error, 'unavailable')) throw error
      })
  }
  let stopLoops: Promise<() => Promise<void>> | undefined
  let closing: Promise<void> | undefined

  async function close(): Promise<void> {
    await (
      await stopLoops
    )?.()
    await flush()
    await listener.close()
    await database.close()
  }

  return {
    queue,
    database,
    migrations: { status: () => listMigrations(pool), up: () => migrate(pool), sql: () => pendingMigrationsSql(pool) },
    startLoops() {
      stopLoops ??= import('./loops/start.ts').then(({ startLoops }) => startLoops(loopContext, listener.subscribe))
    },
    async startServer() {
      const { createServer } = await import('./server/server.ts')
      return createServer({ queue, config, log, version, processMetrics: metrics().text }).listen()
    },
    async loadHandlers({ strict }) {
      const { loadHandlers, requireSound } = await import('./worker/load-handlers.ts')
      const { handlerSet } = await import('./worker/handler.ts')
      const folder = resolve(config.handlers)
      const handlers = await loadHandlers(folder).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT' && !config.handlersNamed) return handlerSet([])
        throw error
      })
      if (strict) requireSound(handlers, config.handlers)
      for (const { file, message } of handlers.problems) log.error({ file, error: message }, 'a handler does not load')
      return handlers
    },
    async startWorker({ handlers, concurrency = config.concurrency, exclusiveProcess }) {
      const { startWorker } = await import('./worker/worker.ts')
      return startWorker({
        ...config,
        db: pool,
        connection: database.connection,
        subscribe: listener.subscribe,
        lookout,
        handlers,
        middleware: [],
        name: config.workerName ?? defaultWorkerName(),
        version,
        concurrency,
        keeping,
        exclusiveProcess,
        processMetrics: metrics().text,
        log,
      })
    },
    close: () => (closing ??= close()),
  }
}
