import pg from 'pg'
import { PgBoss } from 'pg-boss'
import { multiplyRows } from './multiply-rows.js'

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
      const text = `select (data->>'n')::int from pgboss.job where name = $1 and state = 'created' and data ? 'n'`
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

    async fillHistory(count) {
      const id = await boss.send(QUEUE, {})
      await boss.fetch(QUEUE)
      await boss.complete(QUEUE, id)
      const changed = { id: 'gen_random_uuid()' }
      await multiplyRows(pool, { table: 'pgboss.job', where: `state = 'completed'`, changed, count: count - 1 })
    },

    async fillScheduled(count) {
      await boss.send(QUEUE, {}, { startAfter: 86_400 })
      const changed = { id: 'gen_random_uuid()', start_after: `sample.start_after + g * interval '1 ms'` }
      await multiplyRows(pool, { table: 'pgboss.job', where: `state = 'created'`, changed, count: count - 1 })
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
