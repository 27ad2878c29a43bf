import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { gate, handler, handlers, testWorker, until } from '../support/worker.ts'

const db = testDatabase({ size: 20 })
const CONCURRENCY = 10

const waiting = (n: number, type: string) =>
  db.sql(
    `insert into forgeq.jobs (id, queue, type, state, run_at, created_at, payload, max_attempts)
     select gen_random_uuid(), 'default', $1, 'pending', clock_timestamp(), clock_timestamp(), '{}', 25 from generate_series(1, $2::int)`,
    type,
    n,
  )

/** How many jobs of a type each session holds, whether they run or lie in its buffer; the most first. */
const held = async (type: string): Promise<number[]> =>
  (
    await db.sql<{ n: number }>(
      `select count(*)::int as n from forgeq.jobs where type = $1 and state = 'running' group by session_id order by n desc`,
      type,
    )
  ).map(({ n }) => n)

test('a worker of long jobs holds as many as it runs, and one that starts later gets its share at once', async () => {
  const end = gate()
  let started = 0
  const start = () =>
    testWorker({
      db: db.pool,
      connection: db.connection,
      concurrency: CONCURRENCY,
      handlers: handlers(
        handler('long', () => {
          started++
          return end.promise
        }),
      ),
    })
  await waiting(100, 'long')
  await start()
  await until('the first is full', () => started === CONCURRENCY)
  expect(await held('long')).toEqual([CONCURRENCY])
  await start()
  const ready = performance.now()
  await until('the second is full', () => started === 2 * CONCURRENCY)
  expect(performance.now() - ready).toBeLessThan(1_000)
  expect(await held('long')).toEqual([CONCURRENCY, CONCURRENCY])
  expect(
    await db.sql(`select count(*)::int as n, max(attempt) as attempt from forgeq.jobs where state = 'pending'`),
  ).toEqual([{ n: 80, attempt: 0 }])
  end.open()
})

test('a worker never holds more than it starts in about a second', async () => {
  const runMs = 50
  let ran = 0
  await waiting(700, 'steady')
  await testWorker({
    db: db.pool,
    connection: db.connection,
    concurrency: CONCURRENCY,
    handlers: handlers(
      handler('steady', async () => {
        await sleep(runMs)
        ran++
      }),
    ),
  })
  let most = 0
  await until('it has worked for a while', async () => {
    most = Math.max(most, ...(await held('steady')))
    return ran >= 300
  })
  expect(most).toBeGreaterThan(2 * CONCURRENCY)
  // A timer may be early by a millisecond.
  expect(most).toBeLessThanOrEqual(CONCURRENCY + (CONCURRENCY * 1_000) / (runMs - 1) + 1)
})
