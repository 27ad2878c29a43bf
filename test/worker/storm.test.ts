import { expect, test } from 'vitest'
import { pauseMs } from '../../src/job/backoff.ts'
import { Storm } from '../../src/worker/storm.ts'

const BACKOFF = { kind: 'exponential', baseMs: 5_000, capMs: 86_400_000, jitter: 0.2 } as const

test('a run that fails alone keeps its pause', () => {
  const storm = new Storm()
  expect(storm.widen(0)).toBe(0)
  storm.failed(0)
  expect(storm.widen(0)).toBeLessThan(0.02)
})

test('many failures within a second widen the pauses that follow, and calm brings them back', () => {
  const storm = new Storm()
  for (let n = 0; n < 5_000; n++) storm.failed(n / 10)
  expect(storm.widen(500)).toBe(3)
  expect(storm.widen(10_500)).toBeLessThan(0.01)
})

test.each([1, 10, 200])(
  '100,000 that fail together on %i workers come back over more than ten seconds, evenly',
  (workers) => {
    const storms = Array.from({ length: workers }, () => new Storm())
    const seconds = new Map<number, number>()
    let first = Infinity
    let last = 0
    for (let n = 0; n < 100_000; n++) {
      const now = n / (35 * Math.min(workers, 3)) // as fast as they get through them
      const storm = storms[n % workers]!
      storm.failed(now)
      const at = now + pauseMs(1, BACKOFF, Math.random, storm.widen(now))
      first = Math.min(first, at)
      last = Math.max(last, at)
      seconds.set(Math.floor(at / 1000), (seconds.get(Math.floor(at / 1000)) ?? 0) + 1)
    }
    expect(last - first).toBeGreaterThan(10_000)
    const mean = 100_000 / ((last - first) / 1000)
    expect(Math.max(...seconds.values()) / mean).toBeLessThanOrEqual(3)
  },
)

test('a backoff without jitter is kept to the millisecond, and a long pause grows by a minute at most', () => {
  expect(pauseMs(1, { ...BACKOFF, jitter: 0 }, () => 0.9, 3)).toBe(5_000)
  expect(pauseMs(1, { ...BACKOFF, baseMs: 3_600_000 }, () => 0.5, 3)).toBe(3_630_000)
})
