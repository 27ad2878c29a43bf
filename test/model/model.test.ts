import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LIVE_MUTANTS, type Left, MUTANTS, SPARE } from './mutants.ts'
import { GOOD, LIVE, LIVE_LONG, LONG, PATIENT, WIDER } from './runs.ts'
import { type Checked, Checker, fences, type Knobs, missingTools } from './spin.ts'

const missing = missingTools()
if (missing.length > 0) {
  console.error(`THE MODEL IS NOT CHECKED: ${missing.join(' and ')} not found (Debian: apt-get install spin gcc)`)
}
/** `MODEL=long`: minutes and gigabytes instead of seconds. */
const long = process.env['MODEL'] === 'long'
const LONGEST_MS = long ? 3_600_000 : 300_000
const FORMULAS = ['ends', 'taken_back', 'found']
const numbers = fences()

const knobsOf = (left: Left): Knobs =>
  Object.fromEntries(Object.entries(left).map(([group, fence]) => [group, numbers.get(fence)!]))
const told = (knobs: Knobs) =>
  Object.entries(knobs)
    .map(([name, value]) => `${name.toLowerCase()} ${value}`)
    .join(', ')

describe.skipIf(missing.length > 0)('the lease protocol', { timeout: LONGEST_MS, concurrent: true }, () => {
  let safety: Checker
  let liveness: Checker
  const walked = new Map<Knobs, Promise<Checked>>()

  /** A run of the model as it is; walked once, whoever asks. */
  const walk = (faults: Knobs): Promise<Checked> => {
    const known = walked.get(faults) ?? safety.check(faults)
    walked.set(faults, known)
    return known
  }

  beforeAll(async () => {
    ;[safety, liveness] = await Promise.all([
      Checker.compile('lease.pml', ['-DSAFETY']),
      Checker.compile('liveness.pml', ['-DNFAIR=4']),
    ])
  }, LONGEST_MS)
  afterAll(() => {
    safety?.remove()
    liveness?.remove()
  })

  test.each([...GOOD, ...PATIENT, ...(long ? LONG : [])].map((faults) => ({ faults, name: told(faults) })))(
    'keeps every property with $name',
    async ({ faults }) => {
      const checked = await walk(faults)
      if (long) console.info(`${told(faults)}: ${checked.states} states, ${checked.seconds} s`)
      expect(checked.violated).toBeUndefined()
    },
  )

  test('takes every step of the model in some run', async () => {
    const runs = await Promise.all(GOOD.concat(PATIENT).map(walk))
    const never = runs
      .map((run) => new Set(run.unreached))
      .reduce((some, other) => new Set([...some].filter((step) => other.has(step))))
    expect([...never].filter((step) => !step.endsWith('-end-'))).toEqual([])
  })

  if (long) {
    test.each(WIDER.map(({ flag, faults }) => ({ flag, faults, name: told(faults) })))(
      'keeps every property with $flag and $name',
      async ({ flag, faults }) => {
        const checker = await Checker.compile('lease.pml', ['-DSAFETY', flag])
        const checked = await checker.check(faults).finally(() => checker.remove())
        console.info(`${flag}, ${told(faults)}: ${checked.states} states, ${checked.seconds} s`)
        expect(checked.violated).toBeUndefined()
      },
    )
  }

  test.each(
    [...LIVE, ...(long ? LIVE_LONG : [])].flatMap((faults) =>
      FORMULAS.map((formula) => ({ formula, faults, name: told(faults) })),
    ),
  )('keeps "$formula" for ever with $name', async ({ formula, faults }) => {
    expect((await liveness.check({ ENDLESS: 1, ...faults }, formula)).violated).toBeUndefined()
  })

  test.each(MUTANTS)('breaks $breaks when $what', async ({ left, faults, breaks }) => {
    expect((await safety.check({ ...knobsOf(left), ...faults })).violated).toBe(breaks)
  })

  test.each(LIVE_MUTANTS)('breaks "$breaks" when $what', async ({ left, faults, breaks }) => {
    expect((await liveness.check({ ENDLESS: 1, ...knobsOf(left), ...faults }, breaks)).violated).toBe(breaks)
  })

  test.each(SPARE)('keeps every property when $what, since $because', async ({ left, faults }) => {
    expect((await safety.check({ ...knobsOf(left), ...faults })).violated).toBeUndefined()
  })

  test('has each fence left out in some test', () => {
    const left = new Set([...MUTANTS, ...LIVE_MUTANTS, ...SPARE].flatMap((one) => Object.values(one.left)))
    expect([...numbers.keys()].filter((fence) => !left.has(fence))).toEqual([])
  })
})
