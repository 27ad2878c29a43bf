import { uuidv7 } from 'uuidv7'
import { ForgeQError, jobNotFound, wrongState } from '../../src/errors.ts'
import type { Job, NewJob } from '../../src/job/job.ts'
import type {
  Enqueued,
  JobFilter,
  JobQueue,
  QueueFigures,
  StoreFigures,
  WorkerFigures,
} from '../../src/queue/job-queue.ts'

export const NOW = '2027-06-01T12:00:00.000000Z'

/** A queue in memory, for what is the server's own business. `calls` tells what it was asked. */
export interface FakeQueue extends JobQueue {
  readonly jobsById: Map<string, Job>
  readonly calls: unknown[][]
  /** Thrown by every call while set. */
  failure: unknown
  storeFigures: StoreFigures
  /** Ends the waiting of everybody who waits for a result. */
  settle(): void
  readonly waiting: number
}

export const jobOf = (job: Partial<NewJob> & { type: string }, more: Partial<Job> = {}): Job => ({
  id: uuidv7(),
  queue: 'default',
  state: 'pending',
  payloadJson: '{}',
  priority: 0,
  runAt: NOW,
  createdAt: NOW,
  attempt: 0,
  maxAttempts: 25,
  lost: 0,
  tags: [],
  ...job,
  ...more,
})

export const queueFigures = (name: string, more: Partial<QueueFigures> = {}): QueueFigures => ({
  name,
  depth: { scheduled: 0, pending: 1, running: 0, retrying: 0, blocked: 0, dead: 0 },
  rates: { enqueued: 0, finished: 0 },
  workers: 0,
  unservedTypes: ['t'],
  ...more,
})

export const WORKER: WorkerFigures = {
  id: uuidv7(),
  name: 'one',
  host: 'here',
  pid: 1,
  version: '0.1.0',
  queues: [],
  types: ['t'],
  concurrency: 10,
  running: 0,
  startedAt: NOW,
  lastHeartbeatAt: NOW,
  expiresAt: NOW,
  status: 'active',
}

export function createFakeQueue(): FakeQueue {
  const jobsById = new Map<string, Job>()
  const idsByKey = new Map<string, string>()
  const calls: unknown[][] = []
  const waiters = new Set<() => void>()

  const called = (...call: unknown[]): void => {
    calls.push(call)
    if (fake.failure !== undefined) throw fake.failure
  }
  const jobById = (id: string): Job => {
    const job = jobsById.get(id)
    if (!job) throw jobNotFound(id)
    return job
  }
  const put = (job: NewJob): Enqueued => {
    const known = jobsById.get(idsByKey.get(job.idempotencyKey ?? '') ?? job.id ?? '')
    if (known && known.payloadJson !== job.payloadJson) {
      throw new ForgeQError('conflict', 'the key belongs to another job', { details: { id: known.id } })
    }
    if (known) return { created: false, job: known }
    const made = jobOf(job)
    jobsById.set(made.id, made)
    if (job.idempotencyKey !== undefined) idsByKey.set(job.idempotencyKey, made.id)
    return { created: true, job: made }
  }
  const change = (name: string, id: string, from: Job['state'], to: Partial<Job>): Job => {
    called(name, id)
    const job = jobById(id)
    if (job.state !== from) throw wrongState(id, job.state, name)
    return Object.assign(job, to)
  }

  const fake: FakeQueue = {
    jobsById,
    calls,
    failure: undefined,
    storeFigures: { queues: [], enqueued: [], outcomes: [], lost: 0, workers: 0 },
    settle: () => waiters.forEach((wake) => wake()),
    get waiting() {
      return waiters.size
    },
    enqueue: async (job) => {
      called('enqueue', job)
      return put(job)
    },
    enqueueMany: async (jobs) => {
      called('enqueueMany', jobs)
      return jobs.map(put)
    },
    jobs: {
      get: async (id) => {
        called('get', id)
        return jobById(id)
      },
      list: async (filter: JobFilter) => {
        called('list', filter)
        if (filter.cursor === 'bad') throw new ForgeQError('invalid_request', 'the cursor is not one')
        const items = [...jobsById.values()].toReversed().slice(0, filter.limit)
        return items.length === filter.limit ? { items, nextCursor: 'more' } : { items }
      },
      result: async (id, { waitMs, signal }) => {
        called('result', id, waitMs)
        jobById(id)
        if (waitMs > 0) {
          await new Promise<void>((resolve) => {
            const wake = (): void => {
              waiters.delete(wake)
              resolve()
            }
            waiters.add(wake)
            signal?.addEventListener('abort', wake)
          })
        }
        const { state, reason, resultJson, error } = jobById(id)
        return { state, ...(reason && { reason }), ...(resultJson && { resultJson }), ...(error && { error }) }
      },
      why: async (id) => {
        called('why', id)
        const { state } = jobById(id)
        return { id, state, reasons: [{ code: 'behind', message: 'behind 3', details: { jobsAhead: 3 } }] }
      },
      retry: async (id) => change('retry', id, 'dead', { state: 'pending' }),
      run: async (id) => change('run', id, 'scheduled', { state: 'pending' }),
      cancel: async (id) => change('cancel', id, 'pending', { state: 'cancelled' }),
      delete: async (id) => {
        change('delete', id, 'pending', {})
        jobsById.delete(id)
      },
    },
    queues: {
      list: async () => {
        called('queues')
        return [queueFigures('default', { oldestPendingSeconds: 1.5 })]
      },
      get: async (name) => {
        called('queue', name)
        if (name !== 'default')
          throw new ForgeQError('queue_not_found', `no queue ${name}`, { details: { queue: name } })
        return queueFigures(name)
      },
      pause: async (name, options = {}) => {
        called('pause', name, options)
        return queueFigures(name, { paused: { since: NOW, ...options } })
      },
      resume: async (name) => {
        called('resume', name)
        return queueFigures(name)
      },
    },
    workers: {
      list: async () => {
        called('workers')
        return [WORKER]
      },
      get: async (id) => {
        called('worker', id)
        if (id !== WORKER.id) throw new ForgeQError('worker_not_found', `no worker ${id}`, { details: { id } })
        return WORKER
      },
    },
    ready: async () => {
      called('ready')
      return { postgres: '18.4', schema: 1 }
    },
    figures: async () => {
      called('figures')
      return fake.storeFigures
    },
  }
  return fake
}
