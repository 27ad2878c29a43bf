import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { ForgeQ, defineJob } from '../../dist/index.js'
import { FEATURES } from './forgeq-features.js'
import { multiplyRows } from './multiply-rows.js'

const TYPE = 'bench'
const CLI = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** ForgeQ at its defaults: nothing is set but where the database is and how many jobs run at a time. */
export async function open({ databaseUrl }) {
  const forgeq = new ForgeQ({ databaseUrl })
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 1 })
  pool.on('error', () => {})

  return {
    setup: () => forgeq.migrate(),

    enqueueOne: (payload) => forgeq.enqueue(TYPE, payload),

    enqueueMany(payloads, feature = 'plain') {
      const { options } = FEATURES[feature]
      return forgeq.enqueueMany(payloads.map((payload) => [TYPE, payload, options?.(payload.n)]))
    },

    async storedNumbers() {
      const text = `select (payload->>'n')::int from forgeq.jobs where state = 'pending'`
      const { rows } = await pool.query({ text, rowMode: 'array' })
      return rows.map(([n]) => n)
    },

    async drain({ concurrency, handle, feature = 'plain' }) {
      const { finish } = FEATURES[feature]
      const ofDriver = finish && new pg.Pool({ connectionString: databaseUrl, max: concurrency })
      const job = defineJob({
        type: TYPE,
        run: finish
          ? (payload, running) => {
              handle(payload.n)
              return finish(running, ofDriver)
            }
          : async (payload) => handle(payload.n),
      })
      const worker = forgeq.worker({ jobs: [job], concurrency })
      await worker.start()
      return async () => {
        await worker.stop()
        await ofDriver?.end()
      }
    },

    async unfinished() {
      const { rows } = await pool.query(
        `select (select count(*) from forgeq.jobs)::int
              + (select count(*) from forgeq.finished_jobs where state = 'dead')::int as jobs`,
      )
      return rows[0].jobs
    },

    /** Copies of one job that a worker has finished, in the partition that the worker has made for its day. */
    async fillHistory(count) {
      await forgeq.enqueue(TYPE, {})
      const worker = forgeq.worker({ jobs: [defineJob({ type: TYPE, run: async () => {} })] })
      await worker.start()
      const inPartition = `select from forgeq.finished_jobs where tableoid <> 'forgeq.finished_jobs_default'::regclass`
      while ((await pool.query(inPartition)).rowCount === 0) await sleep(50)
      await worker.stop()
      const changed = { id: 'uuidv7()', seq: `nextval('forgeq.job_seq')` }
      await multiplyRows(pool, { table: 'forgeq.finished_jobs', where: 'true', changed, count: count - 1 })
    },

    async fillScheduled(count) {
      await forgeq.enqueue(TYPE, {}, { delay: '1d' })
      const changed = {
        id: 'uuidv7()',
        seq: `nextval('forgeq.job_seq')`,
        run_at: `sample.run_at + g * interval '1 ms'`,
      }
      await multiplyRows(pool, { table: 'forgeq.jobs', where: 'true', changed, count: count - 1 })
    },

    async teardown() {
      await forgeq.close()
      await pool.end()
    },
  }
}

export const serverArguments = ({ databaseUrl }) => [
  CLI,
  'server',
  '--json',
  '--port',
  '0',
  '--log-level',
  'warn',
  '--database-url',
  databaseUrl,
]

export const commandLines = ({ databaseUrl }) => ({
  version: () => [CLI, '--version'],
  enqueue: (n) => [CLI, 'enqueue', '--type', TYPE, '--payload', JSON.stringify({ n }), '--database-url', databaseUrl],
})
