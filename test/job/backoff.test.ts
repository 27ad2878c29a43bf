import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BACKOFF_KINDS, DEFAULT_BACKOFF, pauseMs, type Backoff } from '../../src/job/backoff.ts'

const middle = () => 0.5
const backoff = (changes: Partial<Backoff> = {}): Backoff => ({ ...DEFAULT_BACKOFF, jitter: 0, ...changes })

test('an exponential pause doubles from the base: base · 2^(n−1) after run n', () => {
  expect([1, 2, 3, 10].map((attempt) => pauseMs(attempt, backoff()))).toEqual([5_000, 10_000, 20_000, 2_560_000])
})

test('a linear pause grows by the base, a fixed one stays', () => {
  expect([1, 2, 3].map((attempt) => pauseMs(attempt, backoff({ kind: 'linear' })))).toEqual([5_000, 10_000, 15_000])
  expect([1, 2, 3].map((attempt) => pauseMs(attempt, backoff({ kind: 'fixed' })))).toEqual([5_000, 5_000, 5_000])
})

test('after 1,200 failures the pause still lies within the jitter around the cap of six hours', () => {
  const sixHours = backoff({ capMs: 6 * 3_600_000, jitter: 0.2 })
  for (let attempt = 14; attempt <= 1_200; attempt++) {
    const hours = pauseMs(attempt, sixHours) / 3_600_000
    expect(hours).toBeGreaterThanOrEqual(4.8)
    expect(hours).toBeLessThanOrEqual(7.2)
  }
})

test('the default takes a job through 25 runs in about eleven days', () => {
  let total = 0
  for (let attempt = 1; attempt < 25; attempt++) total += pauseMs(attempt, DEFAULT_BACKOFF, middle)
  expect(total / 86_400_000).toBeGreaterThan(10)
  expect(total / 86_400_000).toBeLessThan(12)
})

test('any attempt of any backoff gives a finite, positive pause that grows no further than the cap and its jitter', () => {
  const backoffs = fc.record({
    kind: fc.constantFrom(...BACKOFF_KINDS),
    baseMs: fc.integer({ min: 0, max: 3.2e11 }),
    capMs: fc.integer({ min: 1, max: 3.2e11 }),
    jitter: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(backoffs, fc.integer({ min: 1, max: 1e9 }), random, (given, attempt, share) => {
      const pause = pauseMs(attempt, given, () => share)
      expect(Number.isSafeInteger(pause)).toBe(true)
      expect(pause).toBeGreaterThanOrEqual(1)
      expect(pause).toBeLessThanOrEqual(given.capMs * (1 + given.jitter) + 1)
    }),
  )
})

test('a base of nothing stays a pause, however many runs have failed', () => {
  for (const attempt of [1, 1_025, 10_000]) {
    expect(pauseMs(attempt, { kind: 'exponential', baseMs: 0, capMs: 1_000, jitter: 0 })).toBe(1)
  }
})
