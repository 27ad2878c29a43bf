import { expect, test } from 'vitest'
import { createLookout } from '../../src/store/lookout.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob } from '../support/factory.ts'
import { endOf, handler, handlers, testWorker, until } from '../support/worker.ts'

const db = testDatabase()
const start = () =>
  testWorker({
    db: db.pool,
    connection: db.connection,
    lookout: createLookout(db.pool),
    handlers: handlers(handler('test', () => {})),
    listening: false,
    pollMs: 1_000,
  })

/** When the connection of the claims was last asked for anything. */
async function askedAt(): Promise<string> {
  const [row] = await db.sql<{ at: string }>(
    `select query_start::text as at from pg_stat_activity
      where datname = current_database() and application_name = 'forgeq claims'`,
  )
  return row!.at
}

test('a worker that hears no hints starts a job within a second of its being there', async () => {
  await start()
  for (let n = 0; n < 3; n++) {
    const id = await insertJob(db.pool)
    const { createdAt, startedAt } = await endOf(db.pool, id, { withinMs: 3_000 })
    expect(Date.parse(startedAt!) - Date.parse(createdAt)).toBeLessThan(1_100)
  }
})

test('a worker whose process has just looked finds a kind of job that was not there, within a second', async () => {
  const lookout = createLookout(db.pool)
  await testWorker({
    db: db.pool,
    connection: db.connection,
    lookout,
    handlers: handlers(handler('test', () => {})),
    listening: false,
    pollMs: 1_000,
  })
  for (let n = 0; n < 3; n++) {
    await lookout.look({ fresh: true })
    const id = await insertJob(db.pool, { priority: 100 + n, queue: `kind-${n}` })
    await new Promise((resolve) => setTimeout(resolve, 300))
    await lookout.look({ fresh: true })
    const { createdAt, startedAt } = await endOf(db.pool, id, { withinMs: 3_000 })
    expect(Date.parse(startedAt!) - Date.parse(createdAt)).toBeLessThan(1_000)
  }
})

test('an idle worker asks for jobs only when its process has seen some', async () => {
  await start()
  await until('it has looked', async () => (await askedAt().catch(() => '')) !== '')
  await new Promise((resolve) => setTimeout(resolve, 300)) // its first looks
  const idle = await askedAt()
  await new Promise((resolve) => setTimeout(resolve, 2_200))
  expect(await askedAt()).toBe(idle)
  await insertJob(db.pool, { type: 'nobodys' })
  await until('it looks for it', async () => (await askedAt()) !== idle, { withinMs: 1_500 })
  const first = await askedAt()
  await until('it looks again', async () => (await askedAt()) !== first, { withinMs: 1_500 })
})
