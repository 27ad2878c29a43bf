import { beforeEach, describe, expect, test } from 'vitest'
import { SetAside } from '../../src/loops/set-aside.ts'
import { Turns } from '../../src/loops/turns.ts'
import { createLookout } from '../../src/store/lookout.ts'
import { testDatabase } from '../support/database.ts'
import { loopContext } from '../support/loops.ts'

const db = testDatabase()
/** In so many milliseconds there is something to do; undefined: nobody knows of anything. */
let dueMs: number | undefined
const turnsOf = (lookout = createLookout(db.pool)) =>
  new Turns(db.pool, { name: 'turns', lookout, dueMs: () => dueMs, anywayMs: () => 60_000 })
const isMine = async (turns: Turns) => (await turns.look({ fresh: true })).mine
const age = (interval: string) =>
  db.sql(`update forgeq.loops set last_pass_at = clock_timestamp() - interval '${interval}' where name = 'turns'`)

beforeEach(async () => {
  dueMs = undefined
  await db.sql('delete from forgeq.loops')
})

describe('turns', () => {
  test("the first pass is anybody's", async () => {
    expect(await isMine(turnsOf())).toBe(true)
  })

  test('who made the last pass makes the next one the moment that something is due; the others leave it to him', async () => {
    const [first, second] = [turnsOf(), turnsOf()]
    await first.made()
    expect(await isMine(first)).toBe(false)
    dueMs = 300
    expect(await first.look({ fresh: true })).toMatchObject({ mine: false, nextMs: 300 })
    const { nextMs } = await second.look({ fresh: true })
    expect(nextMs).toBeGreaterThanOrEqual(500)
    expect(nextMs).toBeLessThanOrEqual(700)
    dueMs = -1
    expect(await isMine(first)).toBe(true)
    expect(await isMine(second)).toBe(false)
  })

  test('another steps in when what is due has been left, and he that made the last pass is the one from then on', async () => {
    const [first, second] = [turnsOf(), turnsOf()]
    await first.made()
    await age('500 ms')
    expect(await isMine(second)).toBe(false)
    dueMs = -100
    expect(await isMine(second)).toBe(false)
    dueMs = -200
    expect(await isMine(second)).toBe(true)
    await second.made()
    expect(await isMine(first)).toBe(false)
  })

  test.each(['59 s', '-59 s'])("a pass is anybody's when the last one is %s old", async (interval) => {
    await turnsOf().made()
    await age(interval)
    expect(await isMine(turnsOf())).toBe(true)
  })

  test('another steps in for what is due when the clock was set back since the last pass', async () => {
    await turnsOf().made()
    await age('-10 s')
    dueMs = -200
    expect(await isMine(turnsOf())).toBe(true)
  })

  test('nobody steps in for what was seen a while ago and has been done since', async () => {
    const lookout = createLookout(db.pool)
    const [first, second] = [turnsOf(), turnsOf(lookout)]
    await first.made()
    await age('50 s')
    await lookout.look()
    await first.made()
    expect(await second.look({ fresh: false })).toMatchObject({ mine: false })
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
