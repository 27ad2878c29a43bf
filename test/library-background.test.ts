import { afterAll, expect, test } from 'vitest'
import { defineJob, ForgeQ } from '../src/index.ts'
import { testDatabase } from './support/database.ts'
import { insertJob } from './support/factory.ts'
import { endOf } from './support/worker.ts'

const db = testDatabase()
let forgeq: ForgeQ
afterAll(() => forgeq?.close())

const connections = async (purpose: string) => {
  const text = `select from pg_stat_activity where datname = current_database() and application_name = $1`
  return (await db.sql(text, `forgeq ${purpose}`)).length
}

test('the workers of one client share one listener and one set of loops, which the others keep when one stops', async () => {
  forgeq = new ForgeQ({ databaseUrl: db.url })
  const job = defineJob({ type: 'shared', run: () => {} })
  const [first, second] = [
    forgeq.worker({ jobs: [job], name: 'first' }),
    forgeq.worker({ jobs: [job], name: 'second' }),
  ]
  await Promise.all([first.start(), second.start()])
  const due = () => insertJob(db.pool, { state: 'scheduled', type: 'shared', dueInMs: 100 })
  await endOf(db.pool, await due(), { withinMs: 3_000 })
  expect(await connections('wake-ups')).toBe(1)
  await first.stop()
  await endOf(db.pool, await due(), { withinMs: 3_000 })
  expect(await connections('wake-ups')).toBe(1)
  await second.stop()
  expect(await connections('wake-ups')).toBe(0)

  const third = forgeq.worker({ jobs: [job] })
  await third.start()
  await endOf(db.pool, await due(), { withinMs: 3_000 })
  await third.stop()
})
