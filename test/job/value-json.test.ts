import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkJson } from '../../src/job/json.ts'
import { toJson } from '../../src/job/value-json.ts'

const MAX = 1024 * 1024
const json = (value: unknown) => toJson(value, { maxBytes: MAX }).json
const thrower = () => {
  throw new Error('no')
}
const hostileProxy = new Proxy(
  {},
  { get: thrower, ownKeys: thrower, getPrototypeOf: thrower, has: thrower, getOwnPropertyDescriptor: thrower },
)
const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
const circular = () => {
  const value: Record<string, unknown> = { name: 'a' }
  value['self'] = value
  value['list'] = [value, { up: value }]
  return value
}

describe('what JSON can say it says as JSON.stringify does:', () => {
  test.each([
    null,
    true,
    false,
    0,
    -0,
    1.5,
    1e21,
    5e-324,
    1.7976931348623157e308,
    Number.NaN,
    -Infinity,
    '',
    'é🦁\u2028"\\\n\x01\x7f',
    [],
    {},
    [1, [2, { a: 'b' }]],
    [undefined, () => 1, Symbol('s')],
    { a: undefined, b: () => 1, c: Symbol('s'), d: 1 },
    new Date(0),
    new Date(Number.NaN),
    new URL('http://a/b'),
    new String('x'),
    new Number(7),
    new Boolean(false),
    Object.create(null),
    { toJSON: () => ({ toJSON: () => 1, b: 2 }) },
    { '': 0, 'a.b': 1, 2: 3 },
    JSON.parse('{"__proto__":{"x":1},"constructor":{"prototype":{"y":2}}}'),
    /x/,
    new (class A {
      b = 1
      #c = 2
      get d() {
        return this.#c
      }
    })(),
    Buffer.from('hi'),
    Array.from({ length: 3 }),
    Promise.resolve(1),
  ])('%o', (value) => expect(json(value)).toBe(JSON.stringify(value)))
})

describe('what JSON cannot say has a form of its own:', () => {
  test.each([
    ['undefined', undefined, 'null'],
    ['a function', () => 1, 'null'],
    ['a symbol', Symbol('s'), 'null'],
    ['a BigInt', { n: 123456789012345678901234567890n, m: -1n }, '{"n":123456789012345678901234567890,"m":-1}'],
    ['a BigInt of 1,000 digits', 10n ** 1000n - 1n, '9'.repeat(1000)],
    ['a BigInt of 1,001 digits', -(10n ** 1000n), `"-1${'0'.repeat(1000)}"`],
    ['a BigInt of a million digits', 1n << 4_000_000n, '"[bigint too long]"'],
    [
      'a Map with text keys',
      new Map([
        ['a', 1],
        ['__proto__', 2],
      ]),
      '{"a":1,"__proto__":2}',
    ],
    [
      'a Map with other keys',
      new Map<unknown, unknown>([
        [1, 'a'],
        [{ b: 1 }, 'c'],
      ]),
      '[[1,"a"],[{"b":1},"c"]]',
    ],
    ['a Set', new Set([1, 'a', [2]]), '[1,"a",[2]]'],
    ['a typed array', new Float64Array([1.5, Number.NaN]), '[1.5,null]'],
    ['big integers in an array', new BigInt64Array([-5n]), '[-5]'],
    ['bytes', new Uint8Array([1, 255]), '[1,255]'],
    ['an ArrayBuffer', new Uint8Array([1, 2]).buffer, '[1,2]'],
    ['a DataView', new DataView(new Uint8Array([1, 2, 3]).buffer, 1), '[2,3]'],
    ['a slice of a Buffer', Buffer.from('abc').subarray(1), '{"type":"Buffer","data":[98,99]}'],
    [
      'an Error',
      Object.assign(new TypeError('bad', { cause: 'x' }), { code: 7 }),
      '{"name":"TypeError","message":"bad","code":7,"cause":"x"}',
    ],
    [
      'NUL and half characters',
      { 'k\0': 'a\0b', l: '\ud83e', m: 'x\udd81y🦁' },
      '{"k\ufffd":"a\ufffdb","l":"\ufffd","m":"x\ufffdy🦁"}',
    ],
    ['a circle', circular(), '{"name":"a","self":"[circular]","list":["[circular]",{"up":"[circular]"}]}'],
    [
      'a getter that throws',
      {
        a: 1,
        get b() {
          return thrower()
        },
        c: 2,
      },
      '{"a":1,"b":"[unreadable]","c":2}',
    ],
    ['a toJSON that throws', [{ toJSON: thrower }, 1], '["[unreadable]",1]'],
    ['a proxy that throws', { a: hostileProxy }, '{"a":"[unreadable]"}'],
    ['a revoked proxy', [revoked()], '["[unreadable]"]'],
    ['a boxed text that throws', Object.assign(new String('x'), { valueOf: thrower }), '"[unreadable]"'],
  ] as [string, unknown, string][])('%s', (_name, value, expected) => {
    expect(json(value)).toBe(expected)
    expect(checkJson(json(value), { maxBytes: MAX }).ok).toBe(true)
  })
})

test('the same object twice is no circle', () => {
  const shared = { a: 1 }
  expect(json([shared, shared, { shared }])).toBe('[{"a":1},{"a":1},{"shared":{"a":1}}]')
})

test('keys that become equal by cleaning do not stand twice', () => {
  const value = { 'a\0': 1, 'a\ufffd': 2, 'a\ud800': 3, '\0': 4, '\ud800': 5 }
  expect(json(value)).toBe('{"a\ufffd":2,"\ufffd":4}')
})

test('a BigInt that has been taught toJSON keeps to it', () => {
  const prototype = BigInt.prototype as { toJSON?: () => string }
  prototype.toJSON = function (this: bigint) {
    return `big ${this}`
  }
  try {
    expect(json([5n])).toBe('["big 5"]')
  } finally {
    delete prototype.toJSON
  }
})

test('a number given as raw JSON keeps its digits, on a Node that knows it', () => {
  const json20 = JSON as { isRawJSON?: (value: unknown) => boolean }
  const original = json20.isRawJSON
  const raw = (rawJSON: string) => Object.freeze(Object.assign(Object.create(null), { rawJSON }) as object)
  json20.isRawJSON = (value) => Object.isFrozen(value)
  try {
    expect(json([raw('9007199254740993'), raw('1e5000')])).toBe('[9007199254740993,"[unreadable]"]')
  } finally {
    if (original) json20.isRawJSON = original
    else delete json20.isRawJSON
  }
})

test('a value too deep is cut where PostgreSQL would refuse it', () => {
  let deep: unknown = 0
  for (let level = 0; level < 100_000; level++) deep = level % 2 ? [deep] : { a: deep }
  expect(json(deep)).toContain('"[too deep]"')
  expect(checkJson(json(deep), { maxBytes: MAX })).toMatchObject({ ok: true })
  const endless: object = { toJSON: () => ({ next: { ...endless } }) }
  expect(json(endless)).toContain('"[too deep]"')
})

describe('a value over the limit becomes a marker with its size:', () => {
  const sizeOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value)).length
  test.each([
    ['50 MB of letters', 'x'.repeat(50_000_000)],
    ['one byte too many', 'x'.repeat(MAX - 1)],
    ['emoji, quotes and controls', { a: ['🦁"\\\n\x01\x7fé'.repeat(100_000)] }],
    ['many small texts', Array.from({ length: 100_000 }, (_, index) => `text "${index}" é🦁`)],
    ['many numbers', Array.from({ length: 1_000_000 }, (_, index) => index / 8)],
    ['a large Buffer', Buffer.alloc(1_500_000, 200)],
    ['a key of 2 MB', { ['k'.repeat(2_000_000)]: 1 }],
  ] as [string, unknown][])('%s', (_name, value) => {
    const bytes = sizeOf(value)
    expect(toJson(value, { maxBytes: MAX })).toEqual({
      json: `{"forgeq_truncated": true, "bytes": ${bytes}}`,
      truncated: true,
      originalBytes: bytes,
    })
  })

  test('what only PostgreSQL writes at length is measured as it does', () => {
    const value = Array.from({ length: 5_000 }, () => 1e300)
    expect(toJson(value, { maxBytes: MAX })).toMatchObject({ truncated: true, originalBytes: 5_000 * 303 })
    expect(toJson(value, { maxBytes: 2 * MAX }).truncated).toBeUndefined()
  })

  test('exactly the limit is no truncation', () => {
    expect(toJson('x'.repeat(MAX - 2), { maxBytes: MAX }).truncated).toBeUndefined()
    expect(toJson(['é', 1], { maxBytes: 9 })).toEqual({ json: '["é",1]' })
    expect(toJson(['é', 1], { maxBytes: 8 }).truncated).toBe(true)
  })
})

test('a small value that unfolds to gigabytes ends soon, without its size', () => {
  let bomb: unknown = 'x'.repeat(1000)
  for (let level = 0; level < 60; level++) bomb = [bomb, bomb]
  expect(toJson(bomb, { maxBytes: MAX })).toEqual({ json: '{"forgeq_truncated": true}', truncated: true })
  const sparse: unknown[] = []
  sparse.length = 2 ** 32 - 1
  expect(toJson(sparse, { maxBytes: MAX })).toEqual({ json: '{"forgeq_truncated": true}', truncated: true })
  let empty: unknown = undefined
  for (let level = 0; level < 60; level++) empty = { a: empty, b: empty }
  expect(toJson(empty, { maxBytes: MAX }).truncated).toBe(true)
})

test('whatever is returned, PostgreSQL takes the text', () => {
  const anything = fc.anything({
    withBigInt: true,
    withBoxedValues: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withNullPrototype: true,
    withObjectString: true,
    withTypedArray: true,
    withSparseArray: true,
    withUnicodeString: true,
    maxDepth: 4,
  })
  fc.assert(
    fc.property(anything, fc.string({ unit: 'binary' }), (value, key) => {
      const result = toJson({ [key]: value, half: `${key}\ud83e\0` }, { maxBytes: MAX })
      expect(checkJson(result.json, { maxBytes: MAX })).toMatchObject({ ok: true })
      expect(JSON.parse(result.json)).toBeDefined()
    }),
  )
})
