import { describe, expect, test } from 'vitest'
import { createRecovery } from '../../src/loops/recovery.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, jobOf } from '../support/factory.ts'
import { loopContext } from '../support/loops.ts'
import { endOf, gate, handler, handlers, jobIn, testWorker, until, untilAborted } from '../support/worker.ts'

const db = testDatabase()
const worker = (fields: Omit<Parameters<typeof testWorker>[0], 'db' | 'connection'>) =>
  testWorker({ db: db.pool, connection: db.connection, ...fields })

/** Keeps the main thread busy as no handler should. */
function block(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

describe('a worker that keeps its session', () => {
  test('does not lose its leases while a handler blocks the event loop for longer than the lease', async () => {
    const recovery = createRecovery(loopContext(db.pool, { recoveryIntervalMs: 200 }))
    const other = gate()
    const w = await worker({
      leaseMs: 1_500,
      heartbeatMs: 300,
      handlers: handlers(
        handler('blocking', () => block(4_000)),
        handler('beside', async (_, job) => {
          await Promise.race([other.promise, untilAborted(job.signal)])
          return 'went on'
        }),
      ),
    })
    const beside = await insertJob(db.pool, { type: 'beside' })
    await jobIn(db.pool, beside, 'running')
    const blocking = await insertJob(db.pool, { type: 'blocking' })
    expect(await endOf(db.pool, blocking)).toMatchObject({ state: 'completed', attempt: 1 })
    expect(await recovery.runOnce()).toBe(0)
    other.open(); console.log(w.log, await jobOf(db.pool, beside), await db.sql("select *, clock_timestamp() as now from forgeq.sessions"))
    expect(await endOf(db.pool, beside)).toMatchObject({ state: 'completed', attempt: 1, worker: { id: w.id } })
    expect((await jobOf(db.pool, blocking)).attempts).toHaveLength(1)
  })
})
