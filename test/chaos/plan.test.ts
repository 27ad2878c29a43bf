import { describe, expect, test } from 'vitest'
import { FAULTS } from './faults/index.ts'
import { planOf, type Step } from './plan.ts'

const plan = (seed: number, minutes: number) => planOf({ seed, minutes, kinds: FAULTS })
const kindOf = ({ fault }: Step) => FAULTS.find(({ name }) => name === fault)!
const SEEDS = Array.from({ length: 200 }, (_, seed) => seed * 7_919)

describe('the plan of a run', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(plan(7, 2)).toEqual(plan(7, 2))
    expect(plan(7, 2)).not.toEqual(plan(8, 2))
  })

  test('names each fault once, by a name of its own', () => {
    expect(new Set(FAULTS.map(({ name }) => name)).size).toBe(FAULTS.length)
  })

  test.each(SEEDS.slice(0, 50))('of two minutes with seed %i has everything that makes a run count', (seed) => {
    const names = plan(seed, 2).map(({ fault }) => fault)
    expect(names).toEqual(expect.arrayContaining(['worker-stop', 'worker-kill', 'answer-lost', 'request-lost']))
  })

  test('is over before the run is, and aims at what there is', () => {
    for (const seed of SEEDS)
      for (const step of plan(seed, 2)) {
        expect(step.atMs + step.ms).toBeLessThan(120_000)
        const { targets, lastsMs } = kindOf(step)
        if (targets.length > 0) expect(targets).toContain(step.target)
        else expect(step.target).toBeUndefined()
        expect(step.ms).toBeGreaterThanOrEqual(lastsMs[0])
        expect(step.ms).toBeLessThanOrEqual(lastsMs[1])
      }
  })

  test('never has two faults at once that take the same', () => {
    for (const seed of SEEDS) {
      const steps = plan(seed, 5).filter((step) => kindOf(step).takes !== 'background')
      const takenBy = (step: Step) => step.target ?? kindOf(step).takes
      for (const [index, step] of steps.entries())
        for (const other of steps.slice(index + 1)) {
          const overlaps = other.atMs < step.atMs + step.ms && step.atMs < other.atMs + other.ms
          if (overlaps) expect(takenBy(other)).not.toBe(takenBy(step))
        }
    }
  })

  test('has every kind within fifteen minutes, alone and in pairs', () => {
    const steps = plan(1, 15)
    expect(new Set(steps.map(({ fault }) => fault))).toEqual(new Set(FAULTS.map(({ name }) => name)))
    const pairs = steps.filter((step) => steps.some((other) => other !== step && overlap(step, other)))
    expect(pairs.length).toBeGreaterThan(10)
    expect(pairs.length).toBeLessThan(steps.length)
  })

  test('of a few kinds has these alone, again and again', () => {
    const kinds = FAULTS.filter(({ name }) => name === 'postmaster-kill')
    const steps = planOf({ seed: 3, minutes: 1, kinds })
    expect(steps.length).toBeGreaterThan(4)
    expect(new Set(steps.map(({ fault }) => fault))).toEqual(new Set(['postmaster-kill']))
  })
})

const overlap = (a: Step, b: Step): boolean => a.atMs < b.atMs + b.ms && b.atMs < a.atMs + a.ms
