import { expect, test } from 'vitest'
import { parseIdempotencyKey } from '../../src/wire/idempotency-key.ts'

test.each([
  ['k1', 'k1'],
  ['"k1"', 'k1'],
  [' k1 ', 'k1'],
  [String.raw`"a\"b\\c"`, String.raw`a"b\c`],
  ['a"b', 'a"b'],
  ['ü', 'ü'],
])('reads %s as %s', (header, key) => {
  expect(parseIdempotencyKey(header)).toBe(key)
})

test.each(['', '""', '"', '"a', '"a"b"', String.raw`"a\n"`, 'x'.repeat(256), 'ü'.repeat(128), 'a\tb'])(
  'refuses %j',
  (header) => {
    expect(parseIdempotencyKey(header)).toBeUndefined()
  },
)
