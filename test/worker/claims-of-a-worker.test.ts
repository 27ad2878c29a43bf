import { expect, test } from 'vitest'
import type { DatabasePool } from '../../src/store/database.ts'
import { registerSession } from '../../src/store/sessions.ts'
import { StoreLeases } from '../../src/worker/store-leases.ts'
import { testDatabase } from '../support/database.ts'
import { endOf, handler, handlers, testWorker } from '../support/worker.ts'
import { insertJob } from '../support/factory.ts'

const db = testDatabase()

/** A pool whose nth claim is refused. */
const refusingClaim = (nth: number): DatabasePool => {
  let claims = 0
  return Object.assign(Object.create(db.pool) as DatabasePool, {
    async connect(purpose: string) {
      const connection = await db.pool.connect(purpose)
      const query: typeof connection.query = (statement) =>
        statement.name === 'forgeq:claim_jobs' && ++claims === nth
          ? Promise.reject(new Error('refused'))
          : connection.query(statement)
      return Object.assign(Object.create(connection) as typeof connection, { query, close: () => connection.close() })
    },
  })
}

test('what one claim has leased is not forgotten when the next one fails', async () => {
  const id = '01890000-0000-7000-8000-000000000001'
  const worker = { id, name: 'w', host: 'h', pid: 1 }
  await registerSession(db.pool, { ...worker, version: 't', queues: [], types: ['test'], concurrency: 1 }, 60_000)
  const capped = await insertJob(db.pool, { queue: 'capped', priority: 1 })
  await insertJob(db.pool, { queue: 'default' })
  const queues = { capped: 5, other: 5, default: null }
  const leases = new StoreLeases({ db: refusingClaim(2), types: ['test'], queues, lookMs: 1_000 })
  const wish = { limit: 10, perQueue: new Map([['capped', 5]]), startable: 10, suspects: true }
  const found = await leases.lease({ session: { id, worker, lost: false }, ...wish })
  expect(found).toMatchObject({ leases: [{ id: capped }], more: true })
  await leases.close()
})

test('jobs of hundreds of priorities all run, the highest first', async () => {
  const ids: string[] = []
  for (let priority = 1; priority <= 200; priority++) ids.push(await insertJob(db.pool, { type: 'graded', priority }))
  const order: number[] = []
  const at = new Map(ids.map((id, n) => [id, n + 1]))
  await testWorker({
    db: db.pool,
    connection: db.connection,
    concurrency: 1,
    handlers: handlers(handler('graded', (_, job) => void order.push(at.get(job.id)!))),
  })
  const startedAt = performance.now()
  await endOf(db.pool, ids[0]!)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  expect(order).toEqual(Array.from({ length: 200 }, (_, n) => 200 - n))
})
