import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalJson, checkJson } from '../../src/job/json.ts'

describe('equal values have one text:', () => {
  test.each([
    [['0', '-0', '0.0', '-0.00', '0e5', '0e-3', '-0E+0'], '0'],
    [['100', '1e2', '1E+2', '100.00', '1000e-1', '0.1e3'], '100'],
    [['1', '1.0', '10e-1', '1e0'], '1'],
    [['0.1', '0.10', '1e-1', '0.01e1'], '0.1'],
    [['-12.5', '-12.50', '-125e-1', '-1.25e+1'], '-12.5'],
    [['9007199254740993', '9007199254740993.0', '9.007199254740993e15'], '9007199254740993'],
    [['"A"', String.raw`"\u0041"`], '"A"'],
    [['"/"', String.raw`"\/"`], '"/"'],
    [['"🦁"', String.raw`"\ud83e\udd81"`], '"🦁"'],
    [[String.raw`"\n"`, String.raw`"\u000A"`], String.raw`"\n"`],
    [
      [
        '{"a":1,"b":{"c":2,"d":3}}',
        ' { "b" : {"d":3.0,\n"c":20e-1} , "a":1 }',
        String.raw`{"\u0062":{"c":2,"d":3},"a":1}`,
      ],
      '{"a":1,"b":{"c":2,"d":3}}',
    ],
    [['[1,[2],{}]', '[ 1.0 , [ 2 ] , { } ]'], '[1,[2],{}]'],
    [['null', ' null '], 'null'],
    [
      ['{"":0,"__proto__":{"x":1},"a.b":true}', '{"a.b":true,"__proto__":{"x":1},"":0}'],
      '{"":0,"__proto__":{"x":1},"a.b":true}',
    ],
  ])('%j', (texts, canonical) => {
    for (const text of texts) expect(canonicalJson(text)).toBe(canonical)
  })
})

test('different values have different texts', () => {
  const texts = [
    '0',
    '1',
    '-1',
    '10',
    '0.1',
    '0.01',
    '"0"',
    '"1"',
    'null',
    '"null"',
    'true',
    'false',
    '[]',
    '{}',
    '[[]]',
    '[{}]',
    '""',
    '[""]',
    '{"a":1}',
    '{"a":"1"}',
    '{"a":null}',
    '{"a":[1]}',
    '{"b":1}',
    '[1,2]',
    '[2,1]',
    '[12]',
    '{"a":1,"b":2}',
    '{"a":2,"b":1}',
    '{"id":1,"extra":true}',
    '"é"',
    '"e\u0301"',
    '9007199254740992',
    '9007199254740993',
    '1e999',
    '1e-999',
    '["a","b"]',
    '["a,b"]',
  ]
  expect(new Set(texts.map(canonicalJson)).size).toBe(texts.length)
})

test('numbers too long to be written out still have one text', () => {
  expect(canonicalJson('1e5000')).toBe(canonicalJson('10.0e4999'))
  expect(canonicalJson('-1.50e-5000')).toBe(canonicalJson('-15e-5001'))
  expect(canonicalJson('1e999999999').length).toBeLessThan(30)
})

test('the canonical text is valid, of the same value, and its own canonical text', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5, stringUnit: 'grapheme' }), (value) => {
      const canonical = canonicalJson(JSON.stringify(value, null, 1))
      expect(JSON.parse(canonical)).toEqual(JSON.parse(JSON.stringify(value)))
      expect(canonicalJson(canonical)).toBe(canonical)
      expect(canonical).toBe(canonicalJson(JSON.stringify(value)))
    }),
  )
})

test('the order of keys never matters', () => {
  const members = fc.uniqueArray(fc.tuple(fc.string({ unit: 'binary' }), fc.integer()), { selector: ([key]) => key })
  fc.assert(
    fc.property(members, fc.func(fc.integer()), (entries, order) => {
      const write = (pairs: [string, number][]) =>
        `{${pairs.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`
      const shuffled = entries.toSorted((one, other) => order(one) - order(other))
      expect(canonicalJson(write(shuffled))).toBe(canonicalJson(write(entries)))
    }),
  )
})

test('two thousand levels deep is as good as flat', () => {
  const deep = '[{"b":1,"a":'.repeat(1000) + '0' + '}]'.repeat(1000)
  expect(checkJson(deep, { maxBytes: 1e6 }).ok).toBe(true)
  expect(canonicalJson(deep)).toBe('[{"a":'.repeat(1000) + '0' + ',"b":1}]'.repeat(1000))
})
