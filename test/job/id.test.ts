import { uuidv7 } from 'uuidv7'
import { expect, test } from 'vitest'
import { canonicalId, isUuidV7, msFromId } from '../../src/job/id.ts'

test('knows a UUIDv7 in either case, and its time', () => {
  const before = Date.now()
  const id = uuidv7()
  expect(isUuidV7(id)).toBe(true)
  expect(isUuidV7(id.toUpperCase())).toBe(true)
  expect(canonicalId(id.toUpperCase())).toBe(id)
  expect(msFromId(id)).toBeGreaterThanOrEqual(before)
  expect(msFromId(id)).toBeLessThanOrEqual(Date.now())
})

test('reads all 48 bits of the time', () => {
  expect(msFromId('017f22e2-79b0-7cc3-98c4-dc0c0c07398f')).toBe(Date.parse('2022-02-22T19:22:22Z'))
  expect(msFromId('ffffffff-ffff-7fff-bfff-ffffffffffff')).toBe(2 ** 48 - 1)
})

test.each([
  '',
  'not-a-uuid',
  '00000000-0000-0000-0000-000000000000',
  'f47ac10b-58cc-4372-a567-0e02b2c3d479',
  '017f22e2-79b0-7cc3-18c4-dc0c0c07398f',
  '017f22e2-79b0-7cc3-c8c4-dc0c0c07398f',
  '017f22e279b07cc398c4dc0c0c07398f',
  '{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}',
  '017f22e2-79b0-7cc3-98c4-dc0c0c07398f\n',
  '017g22e2-79b0-7cc3-98c4-dc0c0c07398f',
  null,
  undefined,
  7,
  ['017f22e2-79b0-7cc3-98c4-dc0c0c07398f'],
])('%o is no UUIDv7', (text) => expect(isUuidV7(text)).toBe(false))
