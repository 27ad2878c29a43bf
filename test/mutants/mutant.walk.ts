import { expect, test } from 'vitest'
import { SCENARIOS } from '../interleavings/scenarios.ts'
import { tell, walkAtRandom } from '../interleavings/walk.ts'
import { type Scenario, World } from '../interleavings/world.ts'
import { testDatabase } from '../support/database.ts'

/** What `npm run mutants` asks for: a scenario by its name, with what is different in it. */
const asked = JSON.parse(process.env['FORGEQ_MUTANT_WALK'] ?? '{}') as {
  scenario: keyof typeof SCENARIOS
  changes?: Partial<Scenario>
  seed: number
  withinMs: number
}

const db = testDatabase()

test('nothing goes wrong on any walk', { timeout: 600_000 }, async () => {
  const scenario: Scenario = { ...SCENARIOS[asked.scenario], ...asked.changes }
  const world = await World.open(scenario, db.connection)
  const { seed, withinMs } = asked
  const { fault, walks } = await walkAtRandom(world, { seed, walks: 1_000_000, length: 12, withinMs, heal: false })
  await world.close()
  console.info(`WALKED ${JSON.stringify({ walks, invariant: fault?.invariant })}`)
  expect(fault && tell(scenario, fault)).toBeUndefined()
})
