import { describe, expect, test } from 'vitest'
import { judge, type Story } from './judge.ts'

/** Ten minutes in which nothing changes: a drain and two looks a quarter of a minute. */
const even = (): Story => ({
  lengthMs: 600_000,
  drains: Array.from({ length: 40 }, (_, n) => ({
    atMs: n * 15_000,
    jobs: 1_000,
    tookMs: 100 + (n % 3),
    cpuMs: 50,
    postgresCpuMs: 30,
  })),
  looks: Array.from({ length: 80 }, (_, n) => ({
    atMs: n * 7_500,
    sizes: { jobs: 50e6 + (n % 5) * 1e6, jobs_pkey: 20e6, sessions: 8_192 },
    dead: 100_000 + (n % 7) * 10_000,
  })),
  acknowledged: 40_000,
  finished: 40_000,
  plain: 40_000,
  lost: 0,
  twice: 0,
})

test('an even run passes, with its figures', () => {
  const { faults, figures } = judge(even())
  expect(faults).toEqual([])
  expect(figures.join('\n')).toMatch(/throughput: 9,901\/s .* 1\.000\n[^]*jobs: 51\.5 MB, in the last fifth 51\.5 MB/)
})

describe('is a fault:', () => {
  const late = <T extends { atMs: number }>(some: readonly T[], change: (one: T) => Partial<T>): T[] =>
    some.map((one) => (one.atMs >= 480_000 ? { ...one, ...change(one) } : one))

  test.each<[string, (story: Story) => Partial<Story>, RegExp]>([
    [
      'a tenth less throughput at the end',
      ({ drains }) => ({ drains: late(drains, () => ({ tookMs: 112 })) }),
      /throughput/,
    ],
    ['no drain in the last fifth', ({ drains }) => ({ drains: drains.slice(0, 30) }), /too short/],
    [
      'an index that grows',
      ({ looks }) => ({ looks: late(looks, ({ sizes }) => ({ sizes: { ...sizes, jobs_pkey: 40e6 } })) }),
      /^jobs_pkey grows/,
    ],
    [
      'an index that is there only at the end',
      ({ looks }) => ({
        looks: looks.map((look) => (look.atMs < 480_000 ? { ...look, sizes: { ...look.sizes, jobs_pkey: 0 } } : look)),
      }),
      /^jobs_pkey grows/,
    ],
    [
      'dead rows that nobody removes',
      ({ looks }) => ({ looks: late(looks, ({ dead }) => ({ dead: 3 * dead })) }),
      /^dead rows grow/,
    ],
    ['a lost job', () => ({ lost: 1 }), /never ran/],
    ['a job that ran twice', () => ({ twice: 1 }), /more than once/],
    ['a job that is in no history', () => ({ finished: 39_999, plain: 39_999 }), /39999 finished/],
    ['a job that was leased twice', () => ({ plain: 39_999 }), /first run/],
  ])('%s', (_what, change, fault) => {
    const { faults } = judge({ ...even(), ...change(even()) })
    expect(faults).toHaveLength(1)
    expect(faults[0]).toMatch(fault)
  })
})

test('one slow drain among several is none', () => {
  const story = even()
  const drains = story.drains.map((drain, n) => (n === 38 ? { ...drain, tookMs: 1_000 } : drain))
  expect(judge({ ...story, drains }).faults).toEqual([])
})
