import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkJson, MAX_JSON_DEPTH } from '../../src/job/json.ts'

const check = (text: string, maxBytes = 1e9) => checkJson(text, { maxBytes })
const refused = (text: string) => {
  const result = check(text)
  if (result.ok) throw new Error(`accepted: ${text}`)
  return result
}
const bytesOf = (text: string) => new TextEncoder().encode(text).length

// Left: JSON text. Right: what PostgreSQL 18 printed for `($1::jsonb)::text`.
const AS_STORED = [
  ['{"a":1,"b":[true,false,null]}', '{"a": 1, "b": [true, false, null]}'],
  [' \t\r\n{ } ', '{}'],
  ['[ ]', '[]'],
  ['[[],{},[{}]]', '[[], {}, [{}]]'],
  ['""', '""'],
  ['0', '0'],
  ['-0', '0'],
  ['-0.0', '0.0'],
  ['-0.00e1', '0.0'],
  ['-0e-3', '0.000'],
  ['0e-5', '0.00000'],
  ['0e999999999', '0'],
  ['0.0e16000', '0'],
  ['1.0', '1.0'],
  ['1.50e1', '15.0'],
  ['10e-1', '1.0'],
  ['1E+2', '100'],
  ['1e2', '100'],
  ['-1.0e0', '-1.0'],
  ['1.23e1', '12.3'],
  ['-12.5e-3', '-0.0125'],
  ['1e21', '1000000000000000000000'],
  ['9007199254740993', '9007199254740993'],
  ['0.1000000000000000055', '0.1000000000000000055'],
  [String.raw`"\u0041\u00e9\u20ac\ud83e\udd81"`, '"Aé€🦁"'],
  [String.raw`"\/\"\\\b\f\n\r\t"`, String.raw`"/\"\\\b\f\n\r\t"`],
  [String.raw`"\u0022\u005C\u000a\u0001\u001F\u007f"`, String.raw`"\"\\\n\u0001\u001f` + '\x7f"'],
  [String.raw`{"\u0061\n":1}`, String.raw`{"a\n": 1}`],
  ['"é€🦁\u2028\x7f"', '"é€🦁\u2028\x7f"'],
] as const

describe('stored bytes are those of what PostgreSQL prints for', () => {
  test.each(AS_STORED)('%s', (text, stored) => {
    expect(check(text)).toEqual({ ok: true, storedBytes: bytesOf(stored) })
  })
})

test('stored bytes of any JSON value are those of its text with a space after colons and commas', () => {
  const spaced = (value: unknown): string => {
    if (Array.isArray(value)) return `[${value.map(spaced).join(', ')}]`
    if (typeof value !== 'object' || value === null) return JSON.stringify(value)
    return `{${Object.entries(value)
      .map(([key, member]) => `${JSON.stringify(key)}: ${spaced(member)}`)
      .join(', ')}}`
  }
  const values = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', '')),
      fc.maxSafeInteger(),
      fc.constantFrom(null, true, false),
      fc.array(tie('value')),
      fc.dictionary(fc.string({ unit: 'grapheme-composite' }), tie('value')),
    ),
  })).value
  fc.assert(
    fc.property(values, fc.constantFrom(0, 1, '\t', '\r\n'), (value, indent) => {
      expect(check(JSON.stringify(value, null, indent))).toEqual({ ok: true, storedBytes: bytesOf(spaced(value)) })
    }),
  )
})

test('a number is stored written out, with the digits of its fraction kept', () => {
  const digits = fc.stringMatching(/^\d{1,12}$/)
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: 10n ** 20n }),
      fc.option(digits),
      fc.integer({ min: -30, max: 30 }),
      (whole, fraction, exponent) => {
        const kept = Math.max(0, (fraction?.length ?? 0) - exponent)
        const scaled =
          BigInt(`${whole}${fraction ?? ''}`) * 10n ** BigInt(Math.max(0, exponent - (fraction?.length ?? 0)))
        const padded = scaled.toString().padStart(kept + 1, '0')
        const length = kept === 0 ? padded.length : padded.length + 1
        const point = fraction === null ? '' : `.${fraction}`
        expect(check(`${whole}${point}e${exponent}`)).toEqual({ ok: true, storedBytes: length })
        expect(check(`-${whole}${point}E${exponent}`)).toEqual({
          ok: true,
          storedBytes: length + Number(scaled !== 0n),
        })
      },
    ),
  )
})

test('takes exactly what JSON.parse takes, apart from what PostgreSQL cannot hold', () => {
  const seeds = fc.constantFrom(
    '{"a":[1,2.5e3,"x\\n"],"b":null}',
    '[true,false,"é🦁",{"":0}]',
    '"\\u0041"',
    '-12.5E+3',
    '[[[]]]',
  )
  const pieces = fc.constantFrom(
    '',
    ' ',
    ',',
    ':',
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    '0',
    '-',
    '.',
    'e',
    'u',
    'tru',
    '\n',
    '\x01',
    '\ufeff',
    '/',
  )
  fc.assert(
    fc.property(seeds, fc.nat(), fc.nat(3), pieces, (seed, position, removed, piece) => {
      const characters = Array.from(seed)
      const at = position % (characters.length + 1)
      const text = [...characters.slice(0, at), piece, ...characters.slice(at + removed)].join('')
      let valid = true
      try {
        JSON.parse(text)
      } catch {
        valid = false
      }
      const result = check(text)
      if (!result.ok && result.reason === 'value') expect(valid).toBe(true)
      else expect(result.ok).toBe(valid)
    }),
    { numRuns: 3_000 },
  )
})

describe('is not JSON:', () => {
  test.each([
    '',
    ' ',
    '{',
    '[',
    '[1',
    '[1,',
    '[1,]',
    '[,1]',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
    '{,}',
    '{a:1}',
    "{'a':1}",
    '{1:1}',
    '{"a" 1}',
    '{"a":1 "b":2}',
    '[1 2]',
    '1 2',
    ']',
    '}',
    '[}',
    '{]',
    '[1}',
    '{"a":1]',
    '01',
    '-',
    '-a',
    '+1',
    '.5',
    '1.',
    '1.e1',
    '1e',
    '1e+',
    '0x10',
    '1_000',
    'NaN',
    'Infinity',
    '-Infinity',
    'nul',
    'nullx',
    'True',
    'undefined',
    '"',
    '"a',
    '"\\',
    '"\\"',
    '"\\x"',
    '"\\u"',
    '"\\u12"',
    '"\\u123g"',
    '"\\u 123"',
    '"\n"',
    '"\t"',
    '"\0"',
    '\ufeff{}',
    '{}\ufeff',
    '\u00a01',
    '1\u00a0',
    '/* c */ 1',
    '1 // c',
    "'a'",
    '{email:test}',
  ])('%o', (text) => expect(refused(text).reason).toBe('syntax'))
})

test('says where the text is broken', () => {
  expect(refused('{"a": [1, x]}')).toMatchObject({
    path: 'a[1]',
    message: 'unexpected "x" at position 10 of the JSON text',
  })
  expect(refused('{"a": 1').message).toBe('the JSON text ends too early')
  expect(refused('{email:test}').message).toBe('unexpected "e" at position 1 of the JSON text')
  expect(refused('🦁').message).toBe('unexpected "🦁" at position 0 of the JSON text')
})

describe('what jsonb cannot hold is refused with its path:', () => {
  test.each([
    [String.raw`{"a":{"b":[0,1,2,"x\u0000"]}}`, 'a.b[3]', /\\u0000/],
    [String.raw`{"a.b":"\ud800"}`, '["a.b"]', /surrogate/],
    [String.raw`["\udc00"]`, '[0]', /surrogate/],
    [String.raw`["\ud800\u0041"]`, '[0]', /surrogate/],
    [String.raw`["\ud800x"]`, '[0]', /surrogate/],
    [String.raw`["\ud83e` + '\udd81"]', '[0]', /surrogate/],
    ['["\ud83e', '[0]', /surrogate/],
    ['["\ud83e' + String.raw`\udd81"]`, '[0]', /surrogate/],
    ['["\udd81"]', '[0]', /surrogate/],
    ['["\udd81\udd81"]', '[0]', /surrogate/],
    ['["\udd81\ud83e"]', '[0]', /surrogate/],
    ['{"":{"x y":1e999999}}', '[""]["x y"]', /1000 digits/],
    ['[1e1000]', '[0]', /1000 digits/],
    ['[-1e-1000]', '[0]', /1000 digits/],
    [`[0,${'9'.repeat(1001)}]`, '[1]', /1000 digits/],
    [`[0.${'0'.repeat(1000)}]`, '[0]', /1000 digits/],
    ['[0e9999999999]', '[0]', /1000 digits/],
    ['[0e-9999999999]', '[0]', /1000 digits/],
    ['[1e99999999999999999999999999]', '[0]', /1000 digits/],
    ['{"a":1,"a":1}', 'a', /twice/],
    [String.raw`{"a":1,"b":{"x":1,"y":2,"\u0078":3}}`, 'b.x', /twice/],
    ['{"__proto__":1,"__proto__":2}', '__proto__', /twice/],
    [`{${Array.from({ length: 40 }, (_, index) => `"k${index}":0`).join(',')},"k7":1}`, 'k7', /twice/],
    [`{${Array.from({ length: 40 }, (_, index) => `"k${index}":0`).join(',')},"k39":1}`, 'k39', /twice/],
    [String.raw`{"a":{"ok":1,"\u0000":2}}`, 'a', /\\u0000/],
    [String.raw`{"a":[{"\ud800":2}]}`, 'a[0]', /surrogate/],
  ])('%s', (text, path, message) => {
    expect(refused(text)).toMatchObject({ path, reason: 'value', message: expect.stringMatching(message) })
  })
})

test('a number of 1,000 digits is taken, with sign and point besides', () => {
  for (const text of [
    '9'.repeat(1000),
    `-${'9'.repeat(1000)}`,
    '1e999',
    '-1e-999',
    `0.${'0'.repeat(998)}1`,
    `${'1'.repeat(500)}.${'1'.repeat(500)}`,
  ]) {
    expect(check(text)).toMatchObject({ ok: true })
  }
})

test('the same key in two objects is no duplicate, nor are keys of Object.prototype', () => {
  expect(check('[{"a":1},{"a":2},{"b":{"a":3},"a":4}]').ok).toBe(true)
  expect(check('{"__proto__":{"x":1},"constructor":{"prototype":{"y":2}},"toString":1,"":0,"a.b":2}').ok).toBe(true)
})

test('arrays and objects lie at most 2,000 deep, and 100,000 levels cost no call stack', () => {
  const arrays = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  const objects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
  for (const nest of [arrays, objects]) {
    expect(check(nest(MAX_JSON_DEPTH)).ok).toBe(true)
    expect(refused(nest(MAX_JSON_DEPTH + 1))).toMatchObject({
      reason: 'value',
      message: expect.stringContaining('2000 deep'),
    })
    expect(refused(nest(100_000)).path.length).toBeLessThan(200)
  }
  expect(checkJson('[[1]]', { maxBytes: 99, maxDepth: 1 })).toMatchObject({ ok: false, path: '[0]' })
  expect(checkJson(arrays(100_000), { maxBytes: 1e9, maxDepth: 100_000 }).ok).toBe(true)
})

test('the size limit holds for the stored text, not for the one that was sent', () => {
  expect(check('{"a":1}', 8)).toEqual({ ok: true, storedBytes: 8 })
  expect(check('{"a":1}', 7)).toMatchObject({ ok: false, path: '', reason: 'size' })
  expect(check(`  [  ${' '.repeat(1000)} ]  `, 2)).toEqual({ ok: true, storedBytes: 2 })
  expect(check(String.raw`"\u0041\u0041"`, 4)).toEqual({ ok: true, storedBytes: 4 })
  expect(check('1e20', 20)).toMatchObject({ ok: false, reason: 'size' })
  expect(check('"🦁"', 6)).toEqual({ ok: true, storedBytes: 6 })
  expect(check('"🦁"', 5)).toMatchObject({ ok: false, reason: 'size' })
})

test('stops reading where the limit is passed', () => {
  expect(check(`[${'1,'.repeat(1000)}broken`, 1000)).toMatchObject({ ok: false, reason: 'size' })
})
