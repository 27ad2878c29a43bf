import { pino } from 'pino'
import { type Config, DEFAULTS } from './config.ts'
import { ForgeQError } from './errors.ts'
import { DURATION_HELP, parseDuration } from './job/duration.ts'
import { canonicalId, isUuidV7 } from './job/id.ts'
import type { Job } from './job/job.ts'
import { type EnqueuedJob, type JobView, viewOf, viewOfEnqueued } from './job-view.ts'
import { type EnqueueItem, type EnqueueJobOptions, newJobFrom, newJobsFrom } from './library-enqueue.ts'
import { type Background, createBackground } from './library-background.ts'
import { createLibraryWorker, type LibraryWorker, type WorkerSettings } from './library-worker.ts'
import { openDatabase, type OpenedDatabase } from './open-database.ts'
import { createJobQueue, type WiredQueue } from './queue/create.ts'
import type { CallerTransaction, JobFilter, JobPage, JobQueue } from './queue/job-queue.ts'
import { migrate } from './store/schema.ts'
import type { JobDefinition } from './worker/definition.ts'

export interface ForgeQOptions {
  /** `postgres://user:password@host/database`; the password percent-encoded. */
  databaseUrl: string
  /** Connections of this client; 6 when absent. */
  poolSize?: number
  /** Largest payload in bytes, as PostgreSQL prints it; 1 MiB when absent. */
  maxPayloadBytes?: number
  retention?: Partial<Config['retention']>
}

/** What a finished job came to. */
export interface JobOutcome<Result = unknown> {
  state: Job['state']
  result?: Result
  error?: Job['error']
  reason?: string
}

const NO_LOG = pino({ level: 'silent' })

/**
 * A client of the queue: it starts nothing, migrates nothing, and connects when it is first used. Workers are made by
 * `worker()`. Close it when the program ends.
 */
export class ForgeQ {
  readonly #config: Config
  #opened: Promise<{ database: OpenedDatabase; queue: WiredQueue; background: Background }> | undefined
  #closed = false

  /** @throws {ForgeQError} `invalid_config` */
  constructor(options: ForgeQOptions) {
    const { databaseUrl, poolSize = DEFAULTS.poolSize, maxPayloadBytes = DEFAULTS.maxPayloadBytes, retention } = options
    if (typeof databaseUrl !== 'string') {
      throw new ForgeQError(
        'invalid_config',
        'ForgeQ: databaseUrl is needed, such as postgres://user:password@host/database',
      )
    }
    this.#config = {
      ...DEFAULTS,
      databaseUrl,
      poolSize,
      maxPayloadBytes,
      retention: { ...DEFAULTS.retention, ...retention },
    }
  }

  /**
   * Puts one job on its queue and returns it. When the promise resolves the job is on the primary's disk (with `tx`:
   * once that commits); it runs at least once, so its handler must be idempotent. A rejection with `unavailable` means
   * unknown: call again with the same `id` or `idempotencyKey` and there is one job.
   *
   * @example await forgeq.enqueue(sendReceipt, { orderId: 42 }, { delay: '10m', tx })
   * @throws {ForgeQError} `invalid_job` (with paths), `conflict`, `unavailable`
   */
  async enqueue<Payload, Result>(
    job: JobDefinition<Payload, Result>,
    payload: Payload,
    options?: EnqueueJobOptions & { tx?: CallerTransaction },
  ): Promise<EnqueuedJob<Payload, Result>>
  async enqueue(
    type: string,
    payload?: unknown,
    options?: EnqueueJobOptions & { tx?: CallerTransaction },
  ): Promise<EnqueuedJob>
  async enqueue(
    job: JobDefinition | string,
    payload?: unknown,
    { tx, ...options }: EnqueueJobOptions & { tx?: CallerTransaction } = {},
  ): Promise<EnqueuedJob> {
    const asked = await newJobFrom([job, payload, options], this.#config)
    const queue = await this.#queue()
    return viewOfEnqueued(await queue.enqueue(asked, tx === undefined ? {} : { tx }))
  }

  /**
   * Puts many jobs on their queues, all or none, and returns them in the order given: in one round trip up to 2,000, in one
   * more for each 2,000 beyond.
   *
   * @example await forgeq.enqueueMany([[sendEmail, { email }], [buildReport, { day }, { priority: 5 }]])
   * @throws {ForgeQError} `invalid_job` (paths begin with `jobs[i]`), `conflict`, `unavailable`
   */
  async enqueueMany(jobs: readonly EnqueueItem[], { tx }: { tx?: CallerTransaction } = {}): Promise<EnqueuedJob[]> {
    const asked = await newJobsFrom(jobs, this.#config)
    const queue = await this.#queue()
    return (await queue.enqueueMany(asked, tx === undefined ? {} : { tx })).map(viewOfEnqueued)
  }

  /** One job with every run. @throws {ForgeQError} `job_not_found`, `invalid_id` */
  async job(id: string): Promise<JobView> {
    return viewOf(await (await this.#queue()).jobs.get(checkedId(id)))
  }

  /**
   * Waits up to `timeout` (none: looks once) for the end of a job. A job that has not ended by then is answered with
   * its state and without a result.
   *
   * @throws {ForgeQError} `job_not_found`, `job_expired`
   */
  async result<Payload, Result>(
    job: JobDefinition<Payload, Result>,
    id: string,
    options?: { timeout?: string },
  ): Promise<JobOutcome<Result>>
  async result(id: string, options?: { timeout?: string }): Promise<JobOutcome>
  async result(...args: unknown[]): Promise<JobOutcome> {
    const [id, options] = (typeof args[0] === 'string' ? args : args.slice(1)) as [string, { timeout?: string }?]
    const waitMs = options?.timeout === undefined ? 0 : milliseconds('timeout', options.timeout)
    const { resultJson, ...rest } = await (await this.#queue()).jobs.result(checkedId(id), { waitMs })
    return { ...rest, ...(resultJson === undefined ? {} : { result: JSON.parse(resultJson) as unknown }) }
  }

  /** What people do with single jobs: `list`, `why`, `retry`, `run`, `cancel`, `delete`. */
  readonly jobs = {
    list: async (filter: Partial<JobFilter> = {}): Promise<Omit<JobPage, 'items'> & { items: JobView[] }> => {
      const page = await (await this.#queue()).jobs.list({ limit: 100, ...filter })
      return { ...page, items: page.items.map(viewOf) }
    },
    why: async (id: string) => (await this.#queue()).jobs.why(checkedId(id)),
    retry: async (id: string) => viewOf(await (await this.#queue()).jobs.retry(checkedId(id))),
    run: async (id: string) => viewOf(await (await this.#queue()).jobs.run(checkedId(id))),
    cancel: async (id: string) => viewOf(await (await this.#queue()).jobs.cancel(checkedId(id))),
    delete: async (id: string) => (await this.#queue()).jobs.delete(checkedId(id)),
  }

  /** Figures of queues, and their pauses. */
  readonly queues: JobQueue['queues'] = {
    list: async () => (await this.#queue()).queues.list(),
    get: async (name) => (await this.#queue()).queues.get(name),
    pause: async (name, options) => (await this.#queue()).queues.pause(name, options),
    resume: async (name) => (await this.#queue()).queues.resume(name),
  }

  /** The workers that live, and those lost within the last hour. */
  readonly workers: JobQueue['workers'] = {
    list: async () => (await this.#queue()).workers.list(),
    get: async (id) => (await this.#queue()).workers.get(id),
  }

  /** A worker in this process. It registers and begins to work with `start()`. */
  worker(settings: WorkerSettings): LibraryWorker {
    return createLibraryWorker({ settings, config: this.#config, open: () => this.#open() })
  }

  /** Brings the database's schema to this release's version. Returns the versions that it applied. */
  async migrate(): Promise<number[]> {
    const database = await openDatabase({ config: this.#config, log: NO_LOG, whenAway: 'fail', schema: 'skip' })
    try {
      return await migrate(database.pool)
    } finally {
      await database.close()
    }
  }

  /** Sends the last hints and closes the connections. Safe twice. Stop workers before. */
  async close(): Promise<void> {
    this.#closed = true
    const opened = await this.#opened?.catch(() => undefined)
    await opened?.queue.flush()
    await opened?.database.close()
    this.#opened = undefined
  }

  #open() {
    if (this.#closed) throw new ForgeQError('invalid_request', 'this ForgeQ client has been closed')
    this.#opened ??= openDatabase({ config: this.#config, log: NO_LOG, whenAway: 'fail', schema: 'check' })
      .then((database) => ({
        database,
        queue: createJobQueue(database.pool, this.#config),
        background: createBackground(database.pool),
      }))
      .catch((error: unknown) => {
        this.#opened = undefined // the next call tries again
        throw error
      })
    return this.#opened
  }

  async #queue(): Promise<WiredQueue> {
    return (await this.#open()).queue
  }
}

function checkedId(id: string): string {
  if (isUuidV7(id)) return canonicalId(id)
  throw new ForgeQError('invalid_id', `${JSON.stringify(String(id).slice(0, 64))} is not the id of a job`, {
    errors: [{ path: 'id', message: 'must be a UUIDv7' }],
  })
}

function milliseconds(path: string, text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined)
    throw new ForgeQError('invalid_request', `${path}: ${DURATION_HELP}`, {
      errors: [{ path, message: DURATION_HELP }],
    })
  return ms
}
