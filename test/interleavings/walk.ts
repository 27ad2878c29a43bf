import { type Invariant, Violation } from './ledger.ts'
import { heal } from './heal.ts'
import type { Scenario } from './scenario.ts'
import type { World } from './world.ts'

/** A walk that broke an invariant: the fewest of its steps that still do. */
export interface Fault {
  invariant: Invariant
  what: string
  steps: string[]
}

export interface Walked {
  walks: number
  steps: number
  /** Places seen; of an exhaustive walk all that there are within its depth. */
  places: number
  /** An exhaustive walk that came to its end. */
  complete: boolean
  fault?: Fault
}

export interface Limits {
  /** Stops, incomplete, when the time is over. */
  withinMs?: number
  heal?: boolean
  /** Looks for the fewest steps that still break what broke. */
  shrink?: boolean
}

/**
 * Takes every sequence of `depth` steps that leads anywhere new, deepest first, and heals at the end of each. Stops at
 * the first fault.
 */
export async function walkAll(
  world: World,
  depth: number,
  { withinMs = Infinity, heal: heals = true, shrink = true }: Limits = {},
): Promise<Walked> {
  const until = performance.now() + withinMs
  const seen = new Map<string, number>()
  const ways: string[][] = [[]]
  const walked: Walked = { walks: 0, steps: 0, places: 0, complete: false }
  for (let way = ways.pop(); way; way = ways.pop()) {
    if (performance.now() > until) return walked
    walked.walks++
    try {
      await world.start()
      for (const step of way) await world.step(step)
      walked.steps += way.length
      let fresh = false
      for (let path = way; ;) {
        const left = depth - path.length
        const { place } = world
        const known = seen.get(place) ?? -1
        fresh = known < 0
        if (known >= left) break
        if (fresh) walked.places++
        seen.set(place, left)
        if (left === 0) break
        const [first, ...others] = world.offers
        if (first === undefined) break
        for (const other of others.toReversed()) ways.push([...path, other])
        path = [...path, first]
        walked.steps++
        await world.step(first)
      }
      // Where this walk ends another has been before, and gone on to its end.
      if (heals && fresh) await heal(world)
    } catch (error) {
      return { ...walked, fault: await faultOf(world, error, shrink) }
    }
  }
  return { ...walked, complete: true }
}

/** Small, fast, and the same everywhere. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Takes `walks` random walks of `length` steps, each followed by healing. Stops at the first fault. */
export async function walkAtRandom(
  world: World,
  {
    seed,
    walks,
    length,
    withinMs = Infinity,
    heal: heals = true,
    shrink = true,
  }: { seed: number; walks: number; length: number } & Limits,
): Promise<Walked> {
  const until = performance.now() + withinMs
  const random = randomOf(seed)
  // By place the steps that lead nowhere from there.
  const places = new Map<string, Set<string>>()
  const walked: Walked = { walks: 0, steps: 0, places: 0, complete: false }
  for (let walk = 0; walk < walks; walk++) {
    if (performance.now() > until) return { ...walked, places: places.size }
    walked.walks++
    try {
      await world.start()
      let { place } = world
      for (let n = 0; n < length; n++) {
        const idle = places.get(place) ?? new Set()
        places.set(place, idle)
        const offers = world.offers.filter((offer) => !idle.has(offer))
        if (offers.length === 0) break
        // First who, then what: a worker's many choices must not drown the others'.
        const actors = [...new Set(offers.map((offer) => offer.slice(0, offer.indexOf(': '))))]
        const actor = actors[Math.floor(random() * actors.length)]!
        const own = offers.filter((offer) => offer.startsWith(`${actor}: `))
        walked.steps++
        const step = own[Math.floor(random() * own.length)]!
        await world.step(step)
        if (world.place === place) idle.add(step)
        else place = world.place
      }
      if (heals) await heal(world)
    } catch (error) {
      return { ...walked, places: places.size, fault: await faultOf(world, error, shrink) }
    }
  }
  return { ...walked, places: places.size, complete: true }
}

/** Takes these steps; one that is not offered is left out. Returns what broke and the steps taken until then. */
export async function replay(
  world: World,
  steps: readonly string[],
  { heal: heals }: { heal: boolean },
): Promise<{ violation?: Violation; taken: string[] }> {
  try {
    await world.start()
    for (const step of steps) if (world.offers.includes(step)) await world.step(step)
    if (heals) await heal(world)
    return { taken: world.taken }
  } catch (error) {
    if (!(error instanceof Violation)) throw error
    return { violation: error, taken: world.taken }
  }
}

const SHRINK_MS = 5_000

async function faultOf(world: World, error: unknown, shrink: boolean): Promise<Fault> {
  if (!(error instanceof Violation)) throw error
  const { invariant } = error
  const stepsOf = (taken: readonly string[]) =>
    (world.healing < 0 ? taken : taken.slice(0, world.healing)).slice(opening)
  const opening = world.scenario.opening?.length ?? 0
  let fault: Fault = { invariant, what: error.message, steps: stepsOf(world.taken) }
  // What broke while healing needs healing to break again.
  const healing = world.healing >= 0
  // Without each step in turn, from the last on, as long as that helps.
  const until = performance.now() + (shrink ? SHRINK_MS : 0)
  for (let before = Infinity; fault.steps.length < before;) {
    before = fault.steps.length
    for (let leave = fault.steps.length - 1; leave >= 0 && performance.now() < until; leave--) {
      const { violation, taken } = await replay(world, fault.steps.toSpliced(leave, 1), { heal: healing })
      const fewer = stepsOf(taken)
      if (violation?.invariant === invariant && fewer.length < fault.steps.length)
        fault = { invariant, what: violation.message, steps: fewer }
    }
  }
  return fault
}

/** A fault as people read it, with the command that walks it again. */
export const tell = (scenario: Scenario, { what, steps }: Fault): string =>
  [
    `${scenario.name}: ${what}`,
    ...(scenario.opening ?? []).map((step) => `(${step})`),
    ...steps,
    `FORGEQ_WALK=${JSON.stringify([scenario.name, ...steps].join(' | '))} npx vitest run test/interleavings/walks.test.ts`,
  ].join('\n  ')
