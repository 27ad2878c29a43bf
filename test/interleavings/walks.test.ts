import { describe, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { EVERYTHING, SCENARIOS, TWO_JOBS } from './scenarios.ts'
import { replay, tell, walkAll, walkAtRandom } from './walk.ts'
import type { Scenario } from './scenario.ts'
import { World } from './world.ts'

/**
 * Minutes for the long form: deeper, and at random for as long as that. `FORGEQ_WALK_SEED` begins with that seed;
 * `FORGEQ_WALK` takes one walk, as a fault tells it.
 */
const MINUTES = Number(process.env['FORGEQ_WALKS'] ?? 0)
const SEED = Number(process.env['FORGEQ_WALK_SEED'] ?? Date.now() % 1_000_000)
const WALK = process.env['FORGEQ_WALK']?.split(' | ')

const db = testDatabase()
const ALL: readonly Scenario[] = Object.values(SCENARIOS)
const RANDOM = [EVERYTHING, TWO_JOBS]
const DEPTH = MINUTES > 0 ? 5 : 2
const shareMs = (MINUTES * 60_000) / (ALL.length + RANDOM.length)
const timeout = 120_000 + MINUTES * 120_000

async function inWorld<T>(scenario: Scenario, work: (world: World) => Promise<T>): Promise<T> {
  const world = await World.open(scenario, db.connection)
  try {
    return await work(world)
  } finally {
    await world.close()
  }
}

describe.skipIf(WALK)('every order of statements keeps the invariants', () => {
  test.each(ALL)('when $name', { timeout }, async (scenario) => {
    const { fault, ...walked } = await inWorld(scenario, (world) =>
      walkAll(world, DEPTH, MINUTES > 0 ? { withinMs: shareMs } : {}),
    )
    if (MINUTES > 0) console.info(`${scenario.name}: ${JSON.stringify(walked)}`)
    expect(fault && tell(scenario, fault)).toBeUndefined()
    expect(walked.places).toBeGreaterThan(DEPTH)
  })
})

describe.skipIf(WALK)('any order of statements keeps the invariants', () => {
  test.each([...RANDOM, ...ALL])(`at random, seed ${SEED}: $name`, { timeout }, async (scenario) => {
    const limits =
      MINUTES > 0
        ? { walks: Infinity, withinMs: shareMs }
        : { walks: RANDOM.includes(scenario) ? 25 : 5, withinMs: 20_000 }
    const { fault, ...walked } = await inWorld(scenario, (world) =>
      walkAtRandom(world, { seed: SEED, length: 30, ...limits }),
    )
    if (MINUTES > 0) console.info(`${scenario.name}: ${JSON.stringify(walked)}`)
    expect(fault && tell(scenario, fault)).toBeUndefined()
  })
})

// Not a test where nobody asks for it: nothing is skipped.
if (WALK)
  test('the walk that was asked for keeps the invariants', { timeout }, async () => {
    const [name, ...steps] = WALK
    const scenario = [...RANDOM, ...ALL].find((one) => one.name === name)
    if (!scenario) throw new Error(`there is no scenario ${name}`)
    const { violation } = await inWorld(scenario, (world) => replay(world, steps, { heal: true }))
    expect(violation?.message).toBeUndefined()
  })
