import type { Config } from '../config.ts'
import type { DatabasePool } from '../store/database.ts'
import type { Keeping } from '../store/history.ts'
import { pauseQueue, resumeQueue } from '../store/queues.ts'
import { checkSchema, findSchema, findServer } from '../store/schema.ts'
import { checkPause, checkQueueName } from './checks.ts'
import { createEnqueuer } from './enqueue.ts'
import { createFigures } from './figures.ts'
import type { JobQueue } from './job-queue.ts'
import { createJobs } from './jobs.ts'
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
  const figures = createFigures(db)
  const { enqueue, enqueueMany } = createEnqueuer(db, notifier)
  return {
    enqueue,
    enqueueMany,
    jobs: createJobs({ db, keeping, notifier, figures }),
    queues: {
      list: () => figures.queues(),
      get: (name) => figures.queue(name),
      async pause(name, options = {}) {
        checkQueueName(name)
        checkPause(options)
        await pauseQueue(db, name, options)
        notifier.wake('paused', name)
        figures.forget()
        return figures.queue(name)
      },
      async resume(name) {
        checkQueueName(name)
        await resumeQueue(db, name)
        notifier.wake('pending', name)
        figures.forget()
        return figures.queue(name)
      },
    },
    workers: { list: () => figures.workers(), get: (id) => figures.worker(id) },
    async ready() {
      const { version } = await findSchema(db)
      checkSchema(version)
      return { postgres: (await findServer(db)).version, schema: version }
    },
    figures: () => figures.store(),
    wakeWorkers(queues) {
      for (const queue of queues) notifier.wake('pending', queue)
    },
    flush: () => notifier.flush(),
  }
}
