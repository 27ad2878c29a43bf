import type { Config } from '../config.ts'
import type { DatabasePool } from '../store/database.ts'
import type { Keeping } from '../store/history.ts'
import { pauseQueue, resumeQueue } from '../store/queues.ts'
import { checkSchema, findSchema, findServer } from '../store/schema.ts'
import { checkPause, checkQueueName } from './checks.ts'
import { createEnqueuer } from './enqueue.ts'
import type { JobQueue } from './job-queue.ts'
import { createNotifier } from './notifier.ts'

/** How long finished jobs and their keys stay. */
export const keepingOf = ({ retention, idempotencyMs }: Pick<Config, 'retention' | 'idempotencyMs'>): Keeping => ({
  ...retention,
  idempotencyMs,
})

export interface WiredQueue extends JobQueue {
  /** Tells workers that jobs of these queues are ready. */
  wakeWorkers(queues: Iterable<string>): void
  flush(): Promise<void>
}

/** Everything that people and programs ask of the queue, over one pool. `flush` sends the last wake-ups. */
export function createJobQueue(db: DatabasePool, config: Pick<Config, 'retention' | 'idempotencyMs'>): WiredQueue {
  const keeping = keepingOf(config)
  const notifier = createNotifier(db)
  const { enqueue, enqueueMany } = createEnqueuer(db, notifier)
  // Loaded by the first question: whoever only enqueues asks none.
  const load = async () => {
    const [{ createFigures }, { createJobs }] = await Promise.all([import('./figures.ts'), import('./jobs.ts')])
    const figures = createFigures(db)
    return { figures, jobs: createJobs({ db, keeping, notifier, figures }) }
  }
  let loading: ReturnType<typeof load> | undefined
  const asked = () =>
    (loading ??= load().catch((error: unknown) => {
      loading = undefined // the next question tries again
      throw error
    }))
  const lookAgain = async (queue: string) => {
    const { figures } = await asked()
    figures.forget()
    return figures.queue(queue)
  }
  return {
    enqueue,
    enqueueMany,
    jobs: {
      get: async (id) => (await asked()).jobs.get(id),
      list: async (filter) => (await asked()).jobs.list(filter),
      result: async (id, options) => (await asked()).jobs.result(id, options),
      why: async (id) => (await asked()).jobs.why(id),
      retry: async (id) => (await asked()).jobs.retry(id),
      run: async (id) => (await asked()).jobs.run(id),
      cancel: async (id) => (await asked()).jobs.cancel(id),
      delete: async (id) => (await asked()).jobs.delete(id),
    },
    queues: {
      list: async () => (await asked()).figures.queues(),
      get: async (name) => (await asked()).figures.queue(name),
      async pause(name, options = {}) {
        checkQueueName(name)
        checkPause(options)
        await pauseQueue(db, name, options)
        notifier.wake('paused', name)
        return lookAgain(name)
      },
      async resume(name) {
        checkQueueName(name)
        await resumeQueue(db, name)
        notifier.wake('pending', name)
        return lookAgain(name)
      },
    },
    workers: {
      list: async () => (await asked()).figures.workers(),
      get: async (id) => (await asked()).figures.worker(id),
    },
    async ready() {
      const { version } = await findSchema(db)
      checkSchema(version)
      return { postgres: (await findServer(db)).version, schema: version }
    },
    figures: async () => (await asked()).figures.store(),
    wakeWorkers(queues) {
      for (const queue of queues) notifier.wake('pending', queue)
    },
    flush: () => notifier.flush(),
  }
}
