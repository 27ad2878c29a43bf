import { createPostgresBackend, Queue, runMigrations, Worker } from 'bullmq'
import pg from 'pg'

const QUEUE = 'bench'
const PER_CALL = 1_000
const ENQUEUE_CONNECTIONS = 32
const MOST_CONNECTIONS = 50 // The server takes 100, some of them reserved, and a worker's process has the queue's as well.

/**
 * On Redis, or on PostgreSQL where there is a `databaseUrl`. Its documented way to throughput is `addBulk` and
 * `concurrency`, on PostgreSQL a connection for each job at a time as well; finished jobs are removed, as it advises.
 */
export async function open({ redis, databaseUrl }) {
  const backend = databaseUrl && createPostgresBackend
  const connectionOf = (max) =>
    databaseUrl ? { connectionString: databaseUrl, max } : { path: redis.socket, maxRetriesPerRequest: null }
  let opened
  const queue = () => {
    if (opened) return opened
    const connection = connectionOf(ENQUEUE_CONNECTIONS)
    opened = new Queue(QUEUE, { connection, defaultJobOptions: { removeOnComplete: true } }, backend)
    opened.on('error', (error) => console.error(error))
    return opened
  }

  return {
    async setup() {
      if (databaseUrl) await migrate(databaseUrl)
      await queue().waitUntilReady()
    },

    enqueueOne: (payload) => queue().add('bench', payload),

    enqueueMany: (payloads) => queue().addBulk(payloads.map((data) => ({ name: 'bench', data }))),

    async storedNumbers() {
      const numbers = []
      const page = 10_000
      for (let from = 0; ; from += page) {
        const jobs = await queue().getJobs(['waiting'], from, from + page - 1, true)
        numbers.push(...jobs.map((job) => job.data.n))
        if (jobs.length < page) return numbers
      }
    },

    async drain({ concurrency, handle }) {
      const connection = connectionOf(Math.min(concurrency + 1, MOST_CONNECTIONS))
      const worker = new Worker(QUEUE, async (job) => handle(job.data.n), { connection, concurrency }, backend)
      worker.on('error', (error) => console.error(error))
      return () => worker.close()
    },

    async unfinished() {
      const counts = await queue().getJobCounts('waiting', 'active', 'delayed', 'failed', 'prioritized', 'paused')
      return Object.values(counts).reduce((sum, count) => sum + count, 0)
    },

    async fillScheduled(count) {
      for (let made = 0; made < count; made += PER_CALL) {
        const length = Math.min(PER_CALL, count - made)
        await queue().addBulk(Array.from({ length }, () => ({ name: 'bench', data: {}, opts: { delay: 86_400_000 } })))
      }
    },

    teardown: async () => opened?.close(),
  }
}

/** Its connections apply none by themselves. */
async function migrate(databaseUrl) {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    await runMigrations(client)
  } finally {
    await client.end()
  }
}
