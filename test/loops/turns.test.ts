import { describe, expect, test } from 'vitest'
import { SetAside } from '../../src/loops/set-aside.ts'
import { Turns } from '../../src/loops/turns.ts'
import { nextDue } from '../../src/store/due.ts'
import { testDatabase } from '../support/database.ts'
import { loopContext } from '../support/loops.ts'

const db = testDatabase()
const last = async () => (await nextDue(db.pool, { pass: 'turns' })).last
const turnsOf = () => new Turns(db.pool, { name: 'turns', intervalMs: 60_000 })
const age = (interval: string) =>
  db.sql(`update forgeq.loops set last_pass_at = clock_timestamp() - interval '${interval}' where name = 'turns'`)

describe('turns', () => {
  test("the first pass is anybody's", async () => {
    await db.sql('delete from forgeq.loops')
    expect(turnsOf().isMine({ due: false, last: await last() })).toBe(true)
  })

  test('who made the last pass makes the next one the moment that something is due; the others leave it to him', async () => {
    const [first, second] = [turnsOf(), turnsOf()]
    await first.made()
    const seen = await last()
    expect(first.leads(seen)).toBe(true)
    expect(first.delayMs(seen)).toBe(0)
    expect(first.isMine({ due: false, last: seen })).toBe(false)
    expect(first.isMine({ due: true, last: seen })).toBe(true)
    expect(second.leads(seen)).toBe(false)
    expect(second.delayMs(seen)).toBeGreaterThan(0)
    expect(second.isMine({ due: true, last: seen })).toBe(false)
  })

  test('another steps in when what is due has been left for half a second', async () => {
    const [first, second] = [turnsOf(), turnsOf()]
    await first.made()
    await age('500 ms')
    expect(second.isMine({ due: false, last: await last() })).toBe(false)
    expect(second.isMine({ due: true, last: await last() })).toBe(true)
    await second.made()
    expect(first.isMine({ due: true, last: await last() })).toBe(false)
  })

  test.each(['59 s', '-59 s'])("a pass is anybody's when the last one is %s old", async (interval) => {
    await turnsOf().made()
    await age(interval)
    expect(turnsOf().isMine({ due: false, last: await last() })).toBe(true)
  })
})

test('a pass that fails before it has found any job fails, and is not taken for one that is made', async () => {
  const failure = new Error('an index is broken')
  const pass = new SetAside().pass(() => Promise.reject(failure), {
    ids: async () => [],
    take: async () => 1,
    log: loopContext(db.pool).log,
  })
  await expect(pass).rejects.toBe(failure)
})
