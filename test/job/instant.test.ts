import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { INSTANT_HELP, instantFromMs, instantFromPostgres, msFromInstant, parseInstant } from '../../src/job/instant.ts'

describe('parseInstant accepts', () => {
  test.each([
    ['2027-06-01t12:00:00z', '2027-06-01T12:00:00.000000Z'],
    ['2027-06-01T12:00:00+14:00', '2027-05-31T22:00:00.000000Z'],
    ['2027-06-01T12:00:00-14:00', '2027-06-02T02:00:00.000000Z'],
    ['2027-06-01T12:00:00-00:30', '2027-06-01T12:30:00.000000Z'],
    ['2027-06-01T12:00:00-00:00', '2027-06-01T12:00:00.000000Z'],
    ['2027-12-31T23:30:00-03:30', '2028-01-01T03:00:00.000000Z'],
    ['2027-06-01T12:00:00.123456Z', '2027-06-01T12:00:00.123456Z'],
    ['2027-06-01T12:00:00.123456789Z', '2027-06-01T12:00:00.123457Z'],
    ['2027-06-01T12:00:00.123456000Z', '2027-06-01T12:00:00.123456Z'],
    ['2027-06-01T12:00:00.5+02:00', '2027-06-01T10:00:00.500000Z'],
    ['2027-06-01T12:00:00.0000001Z', '2027-06-01T12:00:00.000001Z'],
    ['2027-12-31T23:59:59.9999991Z', '2028-01-01T00:00:00.000000Z'],
    ['2028-02-29T00:00:00Z', '2028-02-29T00:00:00.000000Z'],
    ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000000Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00.000000Z'],
    ['0050-01-01T00:00:00Z', '0050-01-01T00:00:00.000000Z'],
    ['0000-12-31T23:00:00-02:00', '0001-01-01T01:00:00.000000Z'],
    ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999999Z'],
  ])('%s', (text, instant) => expect(parseInstant(text)).toBe(instant))
})

describe('parseInstant refuses', () => {
  test.each([
    '',
    '2027-06-01T12:00:00',
    '2027-06-01',
    '2027-06-01T12:00Z',
    '2027-02-29T00:00:00Z',
    '2100-02-29T00:00:00Z',
    '2027-04-31T00:00:00Z',
    '2027-13-01T00:00:00Z',
    '2027-00-01T00:00:00Z',
    '2027-01-00T00:00:00Z',
    '2027-01-32T00:00:00Z',
    '2027-06-01T12:00:60Z',
    '2027-06-01T23:59:60Z',
    '2027-06-01T12:60:00Z',
    '2027-06-01T24:00:00Z',
    '2027-06-01T25:00:00Z',
    '2027-06-01T12:00:00.Z',
    '2027-06-01T12:00:00,5Z',
    '2027-06-01T12:00:00+14',
    '2027-06-01T12:00:00+1400',
    '2027-06-01T12:00:00+24:00',
    '2027-06-01T12:00:00+14:01',
    '2027-06-01T12:00:00-14:30',
    '2027-06-01T12:00:00+01:60',
    '10000-01-01T00:00:00Z',
    '+010000-01-01T00:00:00Z',
    '9999-12-31T23:59:59.9999999Z',
    '9999-12-31T23:00:00-02:00',
    '0001-01-01T00:00:00+00:01',
    '0000-06-01T12:00:00Z',
    '-0001-06-01T12:00:00Z',
    'Tue, 01 Jun 2027 12:00:00 GMT',
    '2027-06-01 12:00:00Z',
    ' 2027-06-01T12:00:00Z',
    '2027-06-01T12:00:00Z\n',
    '2027-06-01T12:00:00 Z',
    '20270601T120000Z',
    '2027-W22-2T12:00:00Z',
    '٢٠٢٧-06-01T12:00:00Z',
    '2027-06-01T12:00:00z[UTC]',
    'now',
    'infinity',
    '1811851200',
    1811851200,
    null,
    undefined,
    new Date(),
    {},
    ['2027-06-01T12:00:00Z'],
  ])('%o', (text) => expect(parseInstant(text)).toBeUndefined())
})

test('any number of fraction digits is fine and costs no more than reading them', () => {
  expect(parseInstant(`2027-06-01T12:00:00.${'0'.repeat(100_000)}1Z`)).toBe('2027-06-01T12:00:00.000001Z')
})

const anyMs = fc.integer({ min: Date.parse('0001-01-01T00:00:00Z'), max: Date.parse('9999-12-31T23:59:59.999Z') })

test('a canonical instant is read back as itself and sorts as time does', () => {
  fc.assert(
    fc.property(anyMs, anyMs, (one, other) => {
      const instant = instantFromMs(one)
      expect(parseInstant(instant)).toBe(instant)
      expect(msFromInstant(instant)).toBe(one)
      expect(instant < instantFromMs(other)).toBe(one < other)
    }),
  )
})

test('an offset moves the instant and nothing else', () => {
  const offset = fc.integer({ min: -840, max: 840 })
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4e12 }), offset, (ms, minutes) => {
      const local = new Date(ms + minutes * 60_000).toISOString().slice(0, -1)
      const [hour, minute] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60]
      const zone = `${minutes < 0 ? '-' : '+'}${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`
      expect(parseInstant(local + zone)).toBe(instantFromMs(ms))
    }),
  )
})

test('an instant is never earlier than what was written', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 12n - 1n }), (picoseconds) => {
      const instant = parseInstant(`2027-06-01T12:00:00.${String(picoseconds).padStart(12, '0')}Z`)!
      const micros = BigInt(instant.slice(17, 19)) * 1_000_000n + BigInt(instant.slice(20, 26))
      expect(micros).toBe((picoseconds + 999_999n) / 1_000_000n)
    }),
  )
})

test('reads what PostgreSQL prints in a UTC session, as text and inside JSON', () => {
  expect(instantFromPostgres('2026-11-25 03:14:00.123456+00')).toBe('2026-11-25T03:14:00.123456Z')
  expect(instantFromPostgres('2026-11-25 03:14:00.1+00')).toBe('2026-11-25T03:14:00.100000Z')
  expect(instantFromPostgres('2026-11-25 03:14:00+00')).toBe('2026-11-25T03:14:00.000000Z')
  expect(instantFromPostgres('2026-11-25T03:14:00.5+00:00')).toBe('2026-11-25T03:14:00.500000Z')
})

test.each([
  'infinity',
  '0044-03-15 00:00:00+00 BC',
  '10000-01-01 00:00:00+00',
  '2026-11-25 03:14:00+01',
  '2026-11-25 03:14:00',
  '',
])('refuses %o as a timestamp of the store', (text) => expect(() => instantFromPostgres(text)).toThrow(RangeError))

test('milliseconds outside the years 1 to 9999 are no instant, a fraction is rounded up', () => {
  expect(instantFromMs(0.2)).toBe('1970-01-01T00:00:00.001000Z')
  for (const ms of [Number.NaN, Infinity, 8.64e15, -6.3e13]) expect(() => instantFromMs(ms)).toThrow(RangeError)
})

test('the help gives examples that are accepted', () => {
  const examples = INSTANT_HELP.match(/\d{4}-\S+?(?:Z|:\d\d)(?=\s|$)/g)!
  expect(examples).toHaveLength(2)
  for (const example of examples) expect(parseInstant(example), example).toBeDefined()
})
