import type { FaultKind } from './faults/fault.ts'
import { between, oneOf, type Random, seeded, shuffled } from './random.ts'

/** One fault at its time. */
export interface Step {
  n: number
  fault: string
  target?: string
  /** From the beginning of the run. */
  atMs: number
  ms: number
}

export interface PlanOptions {
  seed: number
  minutes: number
  kinds: readonly FaultKind[]
}

/** Enough has been enqueued by then that everything is busy. */
const WARM_UP_MS = 4_000
/** The last fault has ended by then. */
const CALM_MS = 2_000
/** So many draws that are too long for the time that is left, and the plan is full. */
const MOST_MISFITS = 30

/** Without these a run shows nothing; they come first, each once. */
export const BITING = ['worker-stop', 'worker-kill', 'answer-lost', 'request-lost']

/**
 * The faults of a run: the same for the same seed, minutes and kinds. Each kind comes once before any comes again, alone
 * or beside another that takes something else.
 */
export function planOf({ seed, minutes, kinds }: PlanOptions): Step[] {
  const random = seeded(seed, 'plan')
  const endMs = minutes * 60_000 - CALM_MS
  const order = endlessly(kinds, random)
  const steps: Step[] = []
  let clockMs = WARM_UP_MS
  for (let misfits = 0; misfits < MOST_MISFITS;) {
    const n = steps.length + 1
    const kind = order.take()
    const first = stepOf(kind, { n, atMs: clockMs, random })
    const drawn = [first]
    if (random() < 0.5) {
      const isFree = (target: string) => target !== first.target
      const other = order.take(
        ({ takes, targets }) =>
          (takes !== kind.takes || takes === 'target') && (targets.length === 0 || targets.some(isFree)),
      )
      if (other) drawn.push(stepOf(other, { n: n + 1, atMs: clockMs + between(random, 0, 1_500), random, isFree }))
    }
    const endsMs = Math.max(...drawn.map(({ atMs, ms }) => atMs + ms))
    if (endsMs > endMs && steps.length > 0) {
      misfits++
      continue
    }
    steps.push(...drawn)
    const lasting = drawn.filter(({ fault }) => kinds.find(({ name }) => name === fault)!.takes !== 'background')
    clockMs = Math.max(clockMs + 500, ...lasting.map(({ atMs, ms }) => atMs + ms)) + between(random, 500, 2_000)
  }
  return steps
}

function stepOf(
  { name, targets, lastsMs }: FaultKind,
  {
    n,
    atMs,
    random,
    isFree = () => true,
  }: { n: number; atMs: number; random: Random; isFree?: (target: string) => boolean },
): Step {
  const possible = targets.filter(isFree)
  const ms = between(random, ...lastsMs)
  return { n, fault: name, ...(possible.length > 0 ? { target: oneOf(random, possible) } : {}), atMs, ms }
}

/** All kinds in a drawn order, those that bite first, and then again and again in other orders. */
function endlessly(kinds: readonly FaultKind[], random: Random) {
  const biting = kinds.filter(({ name }) => BITING.includes(name))
  let left = [
    ...shuffled(random, biting),
    ...shuffled(
      random,
      kinds.filter((kind) => !biting.includes(kind)),
    ),
  ]
  function take(): FaultKind
  function take(fits: (kind: FaultKind) => boolean): FaultKind | undefined
  function take(fits: (kind: FaultKind) => boolean = () => true): FaultKind | undefined {
    if (left.length === 0) left = shuffled(random, kinds)
    const place = left.findIndex(fits)
    return place < 0 ? undefined : left.splice(place, 1)[0]
  }
  return { take }
}
