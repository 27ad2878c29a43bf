import { describe, expect, test } from 'vitest'
import { createStats } from '../../src/loops/stats.ts'
import { countTotals } from '../../src/store/counts.ts'
import { testDatabase } from '../support/database.ts'
import { loopContext } from '../support/loops.ts'

const db = testDatabase()
const stats = () => createStats(loopContext(db.pool))
const count = (event: string, n: number, at = 'clock_timestamp()') =>
  db.sql(`insert into forgeq.count_deltas (at, queue, type, event, n) values (${at}, 'q', 't', $1, $2)`, event, n)

describe('the statistics', () => {
  test('are rolled up by minute and for ever, and say the same before and after', async () => {
    await count('enqueued', 3)
    await count('enqueued', 4)
    await count('completed', 2)
    await count('completed', 1, `clock_timestamp() - interval '2 minutes'`)
    const before = await countTotals(db.pool)
    expect(await stats().runOnce()).toBe(4)
    expect(await countTotals(db.pool)).toEqual(expect.arrayContaining(before))
    expect(
      await db.sql(
        `select event, sum(n)::int as n, count(*)::int as minutes from forgeq.count_minutes group by event order by event`,
      ),
    ).toEqual([
      { event: 'completed', n: 3, minutes: 2 },
      { event: 'enqueued', n: 7, minutes: 1 },
    ])
    await count('enqueued', 1)
    await stats().runOnce()
    expect(await db.sql(`select event, n::int from forgeq.count_totals order by event`)).toEqual([
      { event: 'completed', n: 3 },
      { event: 'enqueued', n: 8 },
    ])
    expect(await stats().runOnce()).toBe(0)
  })

  test('count each row once, however many processes add up', async () => {
    for (let n = 0; n < 200; n++) await count('dead', 1)
    const taken = await Promise.all(Array.from({ length: 5 }, () => stats().runOnce()))
    expect(taken.reduce((a, b) => a + b, 0)).toBe(200)
    expect((await countTotals(db.pool)).find(({ event }) => event === 'dead')).toMatchObject({ n: 200 })
  })
})
