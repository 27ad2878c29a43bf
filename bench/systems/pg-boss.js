import pg from 'pg'
import { PgBoss } from 'pg-boss'

const QUEUE = 'bench'
const ENQUEUE_CONNECTIONS = 32
const BATCH = 2_000
const FETCHERS = 4

/**
 * Tuned: large batches fetched without a pause while they come back full (`burstWhenBatchFull`), completed as a whole,
 * the handler running the batch's jobs `concurrency` at a time. Default: `concurrency` workers with default options.
 */
export async function open({ databaseUrl, tuned }) {
  const boss = new PgBoss({ connectionString: databaseUrl, ...(tuned && { max: ENQUEUE_CONNECTIONS }) })
  boss.on('error', (error) => console.error(error))
  await boss.start()
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 })
  pool.on('error', () => {})

  return {
    setup: () => boss.createQueue(QUEUE),

    enqueueOne: (payload) => boss.send(QUEUE, payload),

    enqueueMany: (payloads) =>
      boss.insert(
        QUEUE,
        payloads.map((data) => ({ data })),
      ),

    async storedNumbers() {
      const text = `select (data->>'n')::int from pgboss.job where name = $1 and state = 'created'`
      const { rows } = await pool.query({ text, values: [QUEUE], rowMode: 'array' })
      return rows.map(([n]) => n)
    },

    async drain({ concurrency, handle }) {
      if (tuned) {
        await boss.work(
          QUEUE,
          { batchSize: BATCH, localConcurrency: FETCHERS, burstWhenBatchFull: true, pollingIntervalSeconds: 0.5 },
          (jobs) => atOnce(Math.ceil(concurrency / FETCHERS), jobs, async (job) => handle(job.data.n)),
        )
      } else {
        await boss.work(QUEUE, { localConcurrency: concurrency }, async ([job]) => handle(job.data.n))
      }
      return () => boss.stop({ graceful: true, timeout: 10_000 })
    },

    async unfinished() {
      const text = `select count(*)::int as jobs from pgboss.job where name = $1 and state <> 'completed'`
      const { rows } = await pool.query(text, [QUEUE])
      return rows[0].jobs
    },

    async teardown() {
      await boss.stop({ graceful: false })
      await pool.end()
    },
  }
}

async function atOnce(limit, jobs, run) {
  const rest = jobs.values()
  await Promise.all(
    Array.from({ length: limit }, async () => {
      for (const job of rest) await run(job)
    }),
  )
}
