import { pino } from 'pino'
import type * as Library from '../../src/index.ts'
import type { Work } from './history.ts'
import { env, runWork, type Run } from './perform.ts'
import { runTxWork, type TxRun } from './perform-tx.ts'
import { HEARTBEAT_MS, LEASE_MS, SLOTS, STALL_LIMIT_MS, TX_TYPE, TYPE } from './settings.ts'

// A worker written with the library; the harness starts it as a process of its own.
const { ForgeQ, defineJob } = (await import(`${env('CHAOS_PRODUCT')}/dist/index.js`)) as typeof Library
const forgeq = new ForgeQ({ databaseUrl: env('DATABASE_URL') })

const worker = forgeq.worker({
  jobs: [
    defineJob({ type: TYPE, run: ({ work }: { work: Work }, job: Run) => runWork(work, job) }),
    defineJob({ type: TX_TYPE, run: ({ work }: { work: Work }, job: TxRun) => runTxWork(work, job) }),
  ],
  concurrency: SLOTS,
  name: env('CHAOS_NAME'),
  lease: `${LEASE_MS}ms`,
  heartbeat: `${HEARTBEAT_MS}ms`,
  stallLimit: `${STALL_LIMIT_MS}ms`,
  log: pino({ level: 'warn' }, pino.destination({ dest: 2, sync: true })),
})

await worker.start()
process.stdout.write('started\n')
process.once('SIGTERM', () => {
  void worker
    .stop({ grace: '5s' })
    .then(() => forgeq.close())
    .finally(() => process.exit(0))
})
process.stderr.write(`worker ended: ${await worker.ended}\n`)
process.exit(1)
