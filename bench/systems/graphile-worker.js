import { Logger, makeWorkerUtils, run } from 'graphile-worker'
import pg from 'pg'
import { multiplyRows } from './multiply-rows.js'

const TASK = 'bench'
const ENQUEUE_CONNECTIONS = 32
const MOST_CONNECTIONS = 90 // The server takes 100, some of them reserved.
const silent = new Logger(() => () => {})

/**
 * Tuned: the settings of the "quick stats" on its performance page (a local queue of 500, completions and failures
 * gathered without a delay, one connection more than jobs at a time).
 */
export async function open({ databaseUrl, tuned }) {
  const utils = await makeWorkerUtils({
    connectionString: databaseUrl,
    logger: silent,
    ...(tuned && { maxPoolSize: ENQUEUE_CONNECTIONS }),
  })
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 })
  pool.on('error', () => {})

  return {
    setup: () => utils.migrate(),

    enqueueOne: (payload) => utils.addJob(TASK, payload),

    enqueueMany: (payloads) => utils.addJobs(payloads.map((payload) => ({ identifier: TASK, payload }))),

    async storedNumbers() {
      const text = `select (payload->>'n')::int from graphile_worker._private_jobs where payload->>'n' is not null`
      const { rows } = await pool.query({ text, rowMode: 'array' })
      return rows.map(([n]) => n)
    },

    async drain({ concurrency, handle }) {
      const runner = await run({
        connectionString: databaseUrl,
        concurrency,
        logger: silent,
        noHandleSignals: true,
        parsedCronItems: [],
        taskList: { [TASK]: async (payload) => handle(payload.n) },
        ...(tuned && {
          maxPoolSize: Math.min(concurrency + 1, MOST_CONNECTIONS),
          preset: { worker: { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
        }),
      })
      return () => runner.stop()
    },

    async unfinished() {
      const { rows } = await pool.query('select count(*)::int as jobs from graphile_worker._private_jobs')
      return rows[0].jobs
    },

    async fillScheduled(count) {
      await utils.addJob(TASK, {}, { runAt: new Date(Date.now() + 86_400_000) })
      const id = `nextval(pg_get_serial_sequence('graphile_worker._private_jobs', 'id'))`
      const changed = { id, run_at: `sample.run_at + g * interval '1 ms'` }
      await multiplyRows(pool, { table: 'graphile_worker._private_jobs', where: 'true', changed, count: count - 1 })
    },

    async teardown() {
      await utils.release()
      await pool.end()
    },
  }
}
