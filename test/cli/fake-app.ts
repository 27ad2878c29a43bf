import { uuidv7 } from 'uuidv7'
import type { App, OpenOptions } from '../../src/app.ts'
import { ForgeQError, jobNotFound, wrongState } from '../../src/errors.ts'
import { instantFromMs } from '../../src/job/instant.ts'
import type { Job, NewJob } from '../../src/job/job.ts'
import { isFinal } from '../../src/job/state.ts'
import type { QueueFigures, WorkerFigures } from '../../src/queue/job-queue.ts'

export interface FakeApp extends App {
  readonly stored: Map<string, Job>
  readonly workersList: WorkerFigures[]
  readonly queuesList: QueueFigures[]
  readonly calls: string[]
  opened?: OpenOptions
  /** Ends the fake worker by itself. */
  endWorker(reason: string): void
  types: string[]
}

const NOW = instantFromMs(Date.parse('2027-06-01T12:00:00Z'))

/** An App in memory: what commands print and how they end does not need a database. */
export function fakeApp(): FakeApp {
  const stored = new Map<string, Job>()
  const calls: string[] = []
  const queuesList: QueueFigures[] = []
  const workersList: WorkerFigures[] = []
  let endWorker: (reason: string) => void
  const ended = new Promise<string>((resolve) => (endWorker = resolve))
  const jobOf = (id: string): Job => {
    const job = stored.get(id)
    if (!job) throw jobNotFound(id)
    return job
  }
  const put = (asked: NewJob) => {
    const job = storedJob(asked)
    stored.set(job.id, job)
    return { created: true as const, job }
  }
  const queueOf = (name: string): QueueFigures => {
    const figures = queuesList.find((each) => each.name === name)
    if (!figures) throw new ForgeQError('queue_not_found', `nothing is known of a queue ${name}`, { details: { name } })
    return figures
  }
  const app: FakeApp = {
    stored,
    calls,
    queuesList,
    workersList,
    types: ['hello'],
    endWorker: (reason) => endWorker(reason),
    queue: {
      enqueue: async (job) => put(job),
      enqueueMany: async (jobs) => {
        calls.push(`enqueueMany ${jobs.length}`)
        return jobs.map(put)
      },
      jobs: {
        get: async (id) => jobOf(id),
        list: async ({ states, limit }) => {
          calls.push(`list ${limit}`)
          return {
            items: [...stored.values()].filter(({ state }) => !states || states.includes(state)).slice(0, limit),
          }
        },
        result: async (id) => {
          const { state, resultJson, error } = jobOf(id)
          return { state, ...(resultJson !== undefined && { resultJson }), ...(error && { error }) }
        },
        why: async (id) => ({
          id,
          state: jobOf(id).state,
          reasons: [{ code: 'no_worker', message: `no live worker serves the type ${jobOf(id).type}`, details: {} }],
        }),
        retry: async (id) => {
          const job = jobOf(id)
          if (job.state === 'running') throw wrongState(id, job.state, 'retried')
          return Object.assign(job, { state: 'pending' })
        },
        run: async (id) => Object.assign(jobOf(id), { state: 'pending' }),
        cancel: async (id) => {
          const job = jobOf(id)
          return Object.assign(job, job.state === 'running' ? { cancelRequestedAt: NOW } : { state: 'cancelled' })
        },
        delete: async (id) => {
          jobOf(id)
          stored.delete(id)
        },
      },
      queues: {
        list: async () => queuesList,
        get: async (name) => queueOf(name),
        pause: async (name, options = {}) => Object.assign(queueOf(name), { paused: { since: NOW, ...options } }),
        resume: async (name) => {
          const figures = queueOf(name)
          delete figures.paused
          return figures
        },
      },
      workers: {
        list: async () => workersList,
        get: async (id) => {
          const worker = workersList.find((each) => each.id === id)
          if (!worker) throw new ForgeQError('worker_not_found', `no worker has id ${id}`, { details: { id } })
          return worker
        },
      },
      ready: async () => ({ postgres: '18.4', schema: 1 }),
      figures: async () => ({ queues: [], enqueued: [], outcomes: [], lost: 0, workers: 0 }),
    },
    database: { description: 'database app on localhost:5432', embedded: false, created: false },
    migrations: {
      status: async () => [
        { version: 1, name: 'base', appliedAt: NOW },
        { version: 2, name: 'more' },
      ],
      up: async () => [2],
      sql: async () => 'create table t ();',
    },
    startLoops: () => calls.push('startLoops'),
    startServer: async () => {
      calls.push('startServer')
      return { url: 'http://127.0.0.1:8420', close: async () => void calls.push('server.close') }
    },
    loadHandlers: async ({ strict }) => {
      calls.push(`loadHandlers ${strict ? 'strict' : 'lenient'}`)
      return { handlers: new Map(), types: app.types, problems: [] }
    },
    startWorker: async () => ({
      id: uuidv7(),
      name: 'w1',
      ended,
      metricsText: async () => 'forgeq_slots{state="busy"} 0\n',
      stop: async ({ graceMs } = {}) => void calls.push(`worker.stop ${graceMs}`),
    }),
    close: async () => void calls.push('close'),
  }
  return app
}

/** A stored job of what was asked, or any job with the fields given. */
export function storedJob({ id = uuidv7(), delayMs, runAt, ...job }: Partial<NewJob> & Partial<Job> = {}): Job {
  const state = delayMs !== undefined || (runAt !== undefined && runAt > NOW) ? 'scheduled' : 'pending'
  return {
    id,
    type: 'send_email',
    queue: 'default',
    state,
    payloadJson: '{}',
    priority: 0,
    runAt: runAt ?? NOW,
    createdAt: NOW,
    attempt: 0,
    maxAttempts: 25,
    lost: 0,
    tags: [],
    ...job,
  }
}

/** Ends a stored job, as a worker would. */
export function end(job: Job, state: 'completed' | 'dead' | 'cancelled', rest: Partial<Job> = {}): Job {
  Object.assign(job, { state, finishedAt: NOW, ...rest })
  if (!isFinal(job.state)) throw new Error('not an end')
  return job
}

export const figuresOf = (name: string, more: Partial<QueueFigures> = {}): QueueFigures => ({
  name,
  depth: { scheduled: 0, pending: 0, running: 0, retrying: 0, blocked: 0, dead: 0 },
  rates: { enqueued: 0, finished: 0 },
  workers: 0,
  unservedTypes: [],
  ...more,
})

export const workerOf = (name: string, more: Partial<WorkerFigures> = {}): WorkerFigures => ({
  id: uuidv7(),
  name,
  host: 'box',
  pid: 42,
  version: '0.1.0',
  queues: [],
  types: ['send_email'],
  concurrency: 10,
  running: 0,
  startedAt: NOW,
  lastHeartbeatAt: NOW,
  expiresAt: NOW,
  status: 'active',
  ...more,
})
