import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DURATION_HELP, formatDuration, parseDuration } from '../../src/job/duration.ts'

describe('parseDuration accepts', () => {
  test.each([
    ['0s', 0],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['1w', 604_800_000],
    ['007s', 7_000],
    ['PT0.5S', 500],
    ['PT0,5S', 500],
    ['PT0.1S', 100],
    ['PT0.500000S', 500],
    ['PT1.5H', 5_400_000],
    ['P1DT12H', 129_600_000],
    ['P1W', 604_800_000],
    ['P0.5D', 43_200_000],
    ['PT36H', 129_600_000],
    ['PT1H30M', 5_400_000],
    ['PT0S', 0],
    ['9007199254740991ms', Number.MAX_SAFE_INTEGER],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms))
})

describe('parseDuration refuses', () => {
  test.each([
    '',
    '90',
    90,
    '1.5h',
    '1h30m',
    'P1M',
    'P1Y',
    'P',
    'PT',
    'P1DT',
    'P12M4M',
    '-5s',
    '+5s',
    'PT-5S',
    '-PT5S',
    '30 s',
    ' 30s',
    '30s ',
    '30s\n',
    '5M',
    '5S',
    '٣٠s',
    'PT٣S',
    'PT4294967297M4M',
    'PT999900000000000000000000000000000002S',
    '1e3s',
    '0x10s',
    's',
    'ms',
    'p1d',
    'pt5s',
    'P1H',
    'PT1D',
    'PT1.5H30M',
    'P1.5DT1H',
    'PT.5S',
    'PT5.S',
    'PT0.0005S',
    '9007199254740992ms',
    '999999999999999999999w',
    `${'9'.repeat(100_000)}s`,
    `PT0.${'0'.repeat(100_000)}S`,
    null,
    undefined,
    30n,
    Number.NaN,
    {},
    [],
    ['30s'],
    { toString: () => '30s' },
    new Date(),
    true,
  ])('%o', (text) => expect(parseDuration(text)).toBeUndefined())

  test('four billion minutes that do not fit 32 bits are read whole, never as one', () => {
    expect(parseDuration('PT4294967297M')).toBe(4_294_967_297 * 60_000)
  })
})

test('formats the shortest exact text', () => {
  const texts = [0, 1, 1_500, 90_000, 60_000, 3_600_000, 129_600_000, 604_800_000, 86_400_000].map(formatDuration)
  expect(texts).toEqual(['0s', '1ms', '1500ms', '90s', '1m', '1h', '36h', '1w', '1d'])
})

test('what is formatted parses back to the same number', () => {
  const units = fc.constantFrom(1, 1_000, 60_000, 3_600_000, 86_400_000, 604_800_000)
  fc.assert(
    fc.property(fc.nat(14_000_000), units, (count, unitMs) => {
      expect(parseDuration(formatDuration(count * unitMs))).toBe(count * unitMs)
    }),
  )
  fc.assert(
    fc.property(fc.maxSafeNat(), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBe(ms)
    }),
  )
})

test('refuses to format what no duration is', () => {
  for (const ms of [-1, Number.NaN, Infinity, 2 ** 53]) expect(() => formatDuration(ms)).toThrow(RangeError)
  expect(formatDuration(1.4)).toBe('1ms')
})

test('an ISO text of whole parts is the sum of its parts', () => {
  const part = fc.nat(9_999)
  fc.assert(
    fc.property(part, part, part, part, (days, hours, minutes, seconds) => {
      const ms = days * 86_400_000 + hours * 3_600_000 + minutes * 60_000 + seconds * 1_000
      expect(parseDuration(`P${days}DT${hours}H${minutes}M${seconds}S`)).toBe(ms)
    }),
  )
})

test('the help gives examples that are accepted', () => {
  const examples = DURATION_HELP.match(/\d+(?:ms|[smhdw])\b|P[\dDT.HMS]+/g)!
  expect(examples.length).toBeGreaterThanOrEqual(8)
  for (const example of examples) expect(parseDuration(example), example).toBeDefined()
})
