import { describe, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { MUTANTS, SPARE } from './mutants.ts'
import { tell, walkAll, walkAtRandom } from './walk.ts'
import { World } from './world.ts'

const db = testDatabase()
/** Tells each fault in its fewest steps, and walks deeper where there is to be none. */
const LONG = process.env['FORGEQ_WALKS'] !== undefined
/** The same walks each time: what is asked is whether they notice, not how soon. */
const SEED = 1

describe('a walk notices', () => {
  test.each(Object.entries(MUTANTS))('%s', { timeout: 150_000 }, async (name, { scenario, caughtBy, ...mutant }) => {
    const world = await World.open(scenario, db.connection, mutant)
    const { fault, walks } = await walkAtRandom(world, {
      seed: SEED,
      walks: 3_000,
      length: 12,
      withinMs: 120_000,
      heal: caughtBy.includes('I1'),
      shrink: LONG,
    })
    await world.close()
    if (LONG) console.info(`${name}, after ${walks} walks: ${fault && tell(scenario, fault)}`)
    expect(caughtBy).toContain(fault?.invariant)
  })
})

describe('nothing goes wrong with', () => {
  test.each(Object.entries(SPARE))('%s', { timeout: 150_000 }, async (_name, { scenario, ...mutant }) => {
    const world = await World.open(scenario, db.connection, mutant)
    const { fault } = await walkAll(world, LONG ? 6 : 3, { heal: false })
    await world.close()
    expect(fault && tell(scenario, fault)).toBeUndefined()
  })
})
