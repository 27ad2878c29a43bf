import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { isForgeQError } from '../../src/errors.ts'
import { createPool } from '../../src/store/database.ts'
import { rawSql, testDatabase } from '../support/database.ts'
import { until } from '../support/worker.ts'

const db = testDatabase()

test('a process that hangs in the middle of a transaction loses its locks, hears that it is unavailable, and lives', async () => {
  const hung = createPool(db.connection, { size: 1, purpose: 'hung' })
  let locked: () => void
  const hasLocked = new Promise<void>((resolve) => (locked = resolve))
  const transaction = hung
    .transaction(async (tx) => {
      await rawSql(tx, 'lock table forgeq.finished_jobs in access exclusive mode')
      locked()
      await sleep(13_000) // what is tested is that the store does not wait for it
      await rawSql(tx, 'select 1')
    })
    .catch((error: unknown) => error)
  await hasLocked
  const from = performance.now()
  // Nobody waits for long himself either.
  await expect(db.sql('select 1 from forgeq.finished_jobs')).rejects.toMatchObject({ code: 'unavailable' })
  expect(performance.now() - from).toBeLessThan(6_000)
  const free = () => db.sql('select 1 from forgeq.finished_jobs').catch(() => undefined)
  expect(await until('its locks are gone', free)).toEqual([])
  expect(performance.now() - from).toBeLessThan(12_000)
  expect(isForgeQError(await transaction, 'unavailable')).toBe(true)
  expect(await rawSql(hung, 'select 1 as one')).toEqual([{ one: 1 }])
  await hung.close()
})
