import { expect, test } from 'vitest'
import { takePass } from '../../src/store/passes.ts'
import { testDatabase } from '../support/database.ts'

const db = testDatabase()
const take = (name: string) => takePass(db.pool, { name, withinMs: 60_000 })

test('a pass is made once within its time, whoever asks', async () => {
  expect(await take('one')).toBe(true)
  expect(await take('one')).toBe(false)
  await db.sql(`update forgeq.loops set last_pass_at = clock_timestamp() - interval '61 s' where name = 'one'`)
  const asked = await Promise.all(Array.from({ length: 5 }, () => take('one')))
  expect(asked.filter(Boolean)).toHaveLength(1)
})

test('a clock that was set back by a day stops no loop', async () => {
  await db.sql(`insert into forgeq.loops (name, last_pass_at) values ('back', clock_timestamp() + interval '1 day')`)
  expect(await take('back')).toBe(true)
  expect(await take('back')).toBe(false)
})
