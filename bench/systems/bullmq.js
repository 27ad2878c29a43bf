import { Queue, Worker } from 'bullmq'

const QUEUE = 'bench'
const PER_CALL = 1_000

/** Its documented way to throughput is `addBulk` and `concurrency`; finished jobs are removed, as it advises. */
export async function open({ redis }) {
  const connection = { path: redis.socket, maxRetriesPerRequest: null }
  const queue = new Queue(QUEUE, { connection, defaultJobOptions: { removeOnComplete: true } })
  queue.on('error', (error) => console.error(error))

  return {
    setup: () => queue.waitUntilReady(),

    enqueueOne: (payload) => queue.add('bench', payload),

    enqueueMany: (payloads) => queue.addBulk(payloads.map((data) => ({ name: 'bench', data }))),

    async storedNumbers() {
      const numbers = []
      const page = 10_000
      for (let from = 0; ; from += page) {
        const jobs = await queue.getJobs(['waiting'], from, from + page - 1, true)
        numbers.push(...jobs.map((job) => job.data.n))
        if (jobs.length < page) return numbers
      }
    },

    async drain({ concurrency, handle }) {
      const worker = new Worker(QUEUE, async (job) => handle(job.data.n), { connection, concurrency })
      worker.on('error', (error) => console.error(error))
      return () => worker.close()
    },

    async unfinished() {
      const counts = await queue.getJobCounts('waiting', 'active', 'delayed', 'failed', 'prioritized', 'paused')
      return Object.values(counts).reduce((sum, count) => sum + count, 0)
    },

    async fillScheduled(count) {
      for (let made = 0; made < count; made += PER_CALL) {
        const length = Math.min(PER_CALL, count - made)
        await queue.addBulk(Array.from({ length }, () => ({ name: 'bench', data: {}, opts: { delay: 86_400_000 } })))
      }
    },

    teardown: () => queue.close(),
  }
}
