import { randomInt } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { knownScenarios } from './known.ts'
import { openLane } from './lane.ts'
import { playAll, summaryOf, told } from './play-all.ts'
import { copyProduct, type Product } from './product.ts'
import { inFigures, rollingRestart } from './rolling.ts'
import { scenariosOf } from './scenario.ts'

const TIMES = 12
const LANES = 1

let product: Product
beforeAll(async () => {
  product = await copyProduct()
})
afterAll(() => product.remove())

test('whatever it is told, when and however often, a process leaves in time and in order and loses nothing', async () => {
  const seed = randomInt(2 ** 31)
  console.log(`npm run lifecycle -- --seed ${seed} --times ${TIMES} --no-rolling`)
  const signal = new AbortController().signal
  const lines: string[] = []
  const say = (played: Parameters<typeof told>[0]) => void lines.push(told(played))
  const scenarios = [...knownScenarios(TIMES), ...scenariosOf(seed, TIMES)]
  const all = await playAll(scenarios, { product, lanes: LANES, say, signal })
  const { text, failed } = summaryOf(all)
  console.log(text)
  expect(all).toHaveLength(scenarios.length)
  expect(failed, [`seed ${seed}`, ...lines].join('\n')).toBe(0)
}, 300_000)

test('every server and every worker is replaced under load: nothing is lost, and nothing pauses for longer than 2 s', async () => {
  const seed = randomInt(2 ** 31)
  const lane = await openLane(product)
  try {
    const rolled = await rollingRestart(lane, seed)
    console.log(inFigures(rolled))
    expect(rolled.problems, `seed ${seed}`).toEqual([])
    expect(rolled.acknowledged).toBeGreaterThan(200)
    expect(rolled.repeated).toBeGreaterThan(0) // somebody called while a server was away
  } finally {
    await lane.close()
  }
}, 180_000)
