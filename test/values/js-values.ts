/** What becomes of a value: stored as this JSON; or at the door refused with a path and words that say why. */
interface Expected {
  /** As a payload. A text: the path, refused; `json`: stored so. */
  enqueued: { path: string | RegExp; says?: RegExp } | { json: unknown }
  /** As the result of a handler, which always completes. `truncated`: a marker stands in its place. */
  returned: { json: unknown } | { truncated: number | undefined }
}

export interface JsValue extends Expected {
  name: string
  make(): unknown
}

const no = (): never => {
  throw new Error('no')
}
const same = (json: unknown) => ({ enqueued: { json }, returned: { json } })
const unlike = (path: string, json: unknown, says?: RegExp): Expected => ({
  enqueued: { path, ...(says && { says }) },
  returned: { json },
})
const SHARED = { a: 1 }
const MIB = 1_048_576

const deep = (depth: number, wrap: (inner: unknown) => unknown, core: unknown = 1) => {
  let value = core
  for (let level = 0; level < depth; level++) value = wrap(value)
  return value
}
const circular = () => {
  const value: Record<string, unknown> = { a: 1 }
  value['self'] = value
  return value
}
const circularArray = () => {
  const value: unknown[] = [0]
  value.push(value)
  return value
}
const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
const hostile = () =>
  new Proxy({}, { get: no, has: no, ownKeys: no, getPrototypeOf: no, getOwnPropertyDescriptor: no, set: no })
/** An array for everybody who asks, of as many elements as it likes. */
const endlessArray = () =>
  new Proxy([], { get: (_, name) => (name === 'length' ? Number.MAX_SAFE_INTEGER : name === 'toJSON' ? undefined : 0) })
class EndlessSet extends Set {
  override *[Symbol.iterator](): SetIterator<unknown> {
    for (;;) yield 0
  }
}
class EndlessMap extends Map<string, number> {
  override *keys(): MapIterator<string> {
    for (;;) yield 'a'
  }
}
class Money {
  readonly amount = 5
  readonly #cents = 500
  get cents() {
    return this.#cents
  }
}
const withMessage = (message: unknown) => Object.defineProperty(new Error('x'), 'message', { value: message })

/** Costs seconds to make. */
let millionKeys: object | undefined

/** Each value as a payload given in code and as what a handler returns. */
export const JS_VALUES: JsValue[] = [
  { name: 'undefined', make: () => undefined, enqueued: { json: {} }, returned: { json: null } },
  { name: 'null', make: () => null, ...same(null) },
  { name: 'false', make: () => false, ...same(false) },
  { name: 'zero', make: () => 0, ...same(0) },
  { name: 'an empty text', make: () => '', ...same('') },
  { name: 'minus zero', make: () => [-0], ...same([0]) },
  { name: '2^53', make: () => 2 ** 53, ...same(2 ** 53) },
  { name: 'the greatest float', make: () => Number.MAX_VALUE, ...same(Number.MAX_VALUE) },
  { name: 'the least float', make: () => Number.MIN_VALUE, ...same(Number.MIN_VALUE) },
  { name: 'NaN', make: () => ({ a: [Number.NaN] }), ...unlike('payload.a[0]', { a: [null] }, /NaN/) },
  { name: 'Infinity', make: () => [Infinity], ...unlike('payload[0]', [null], /Infinity/) },
  { name: '-Infinity', make: () => -Infinity, ...unlike('payload', null, /-Infinity/) },
  { name: 'a BigInt', make: () => ({ n: [5n] }), ...unlike('payload.n[0]', { n: [5] }, /BigInt/i) },
  { name: 'a function', make: () => () => 1, ...unlike('payload', null, /function/) },
  { name: 'a function inside', make: () => ({ a: { f: no } }), ...unlike('payload.a.f', { a: {} }, /function/) },
  { name: 'a class', make: () => [Money], ...unlike('payload[0]', [null], /function/) },
  { name: 'a symbol', make: () => Symbol('s'), ...unlike('payload', null, /symbol/) },
  { name: 'a symbol inside', make: () => [[Symbol.iterator]], ...unlike('payload[0][0]', [[null]], /symbol/) },
  { name: 'a symbol as key', make: () => ({ [Symbol('s')]: 1, a: 2 }), ...same({ a: 2 }) },
  { name: 'undefined members', make: () => ({ a: undefined, b: [undefined] }), ...same({ b: [null] }) },

  { name: 'NUL', make: () => ({ a: 'x\0y' }), ...unlike('payload.a', { a: 'x\ufffdy' }) },
  { name: 'NUL in a key', make: () => ({ 'k\0': 1 }), ...unlike('payload', { 'k\ufffd': 1 }) },
  { name: 'a lone surrogate', make: () => ['\ud83e'], ...unlike('payload[0]', ['\ufffd']) },
  {
    name: 'a lone surrogate in a key',
    make: () => ({ '\udd81': 1 }),
    ...unlike('payload', { '\ufffd': 1 }),
  },
  {
    name: 'two keys that only NUL tells apart',
    make: () => ({ 'a\0': 1, 'a\ufffd': 2 }),
    ...unlike('payload', { 'a\ufffd': 2 }),
  },
  { name: 'terminal escapes', make: () => '\x1b[2J\x9b31m', ...same('\x1b[2J\x9b31m') },
  { name: 'right-to-left overrides', make: () => '\u202eevil', ...same('\u202eevil') },
  { name: 'a byte order mark', make: () => '\ufeffa', ...same('\ufeffa') },
  {
    name: '__proto__ as a key',
    make: () => JSON.parse('{"__proto__":{"x":1}}'),
    ...same(JSON.parse('{"__proto__":{"x":1}}')),
  },

  { name: 'an object in itself', make: circular, ...unlike('payload.self', { a: 1, self: '[circular]' }, /circular/i) },
  { name: 'an array in itself', make: circularArray, ...unlike('payload[1]', [0, '[circular]'], /circular/i) },
  { name: 'the same object twice', make: () => [SHARED, SHARED], ...same([{ a: 1 }, { a: 1 }]) },
  { name: '1,999 levels', make: () => deep(1_999, (a) => [a]), ...same(deep(1_999, (a) => [a])) },
  {
    name: '50,000 levels of arrays',
    make: () => deep(50_000, (a) => [a]),
    enqueued: { path: /^payload[.[]/, says: /deep/ },
    returned: { json: deep(2_000, (a) => [a], '[too deep]') },
  },
  {
    name: 'a getter that throws',
    make: () => ({
      ok: 1,
      get bad() {
        return no()
      },
    }),
    ...unlike('payload.bad', { ok: 1, bad: '[unreadable]' }),
  },
  {
    name: 'a getter that throws what throws',
    make: () => ({
      get bad() {
        throw hostile()
      },
    }),
    ...unlike('payload.bad', { bad: '[unreadable]' }),
  },
  {
    name: 'a getter that throws null',
    make: () => ({
      get bad() {
        throw null
      },
    }),
    ...unlike('payload.bad', { bad: '[unreadable]' }),
  },
  {
    name: 'a getter that throws an error of 50 MB',
    make: () => ({
      get bad() {
        throw new Error('x'.repeat(50_000_000))
      },
    }),
    ...unlike('payload.bad', { bad: '[unreadable]' }),
  },
  {
    name: 'a getter that throws an error whose message is an object',
    make: () => ({
      get bad() {
        throw withMessage({ a: 1 })
      },
    }),
    ...unlike('payload.bad', { bad: '[unreadable]' }),
  },
  { name: 'a toJSON that throws', make: () => [{ toJSON: no }], ...unlike('payload[0]', ['[unreadable]']) },
  {
    name: 'a toJSON that returns itself',
    make: () => ({
      a: 1,
      toJSON() {
        return this
      },
    }),
    ...unlike('payload.toJSON', { a: 1 }, /function/),
  },
  {
    name: 'a toJSON that never ends',
    make: () => {
      const endless: object = { toJSON: () => ({ a: { ...endless } }) }
      return endless
    },
    enqueued: { path: /^payload[.[]/, says: /deep/ },
    returned: { json: deep(2_000, (a) => ({ a }), '[too deep]') },
  },
  { name: 'a toJSON that returns undefined', make: () => ({ a: { toJSON() {} }, b: 1 }), ...same({ b: 1 }) },
  { name: 'a toJSON that is no function', make: () => ({ toJSON: 'x' }), ...same({ toJSON: 'x' }) },
  {
    name: 'a proxy that throws at every touch',
    make: () => ({ a: hostile() }),
    ...unlike('payload.a', { a: '[unreadable]' }),
  },
  { name: 'a revoked proxy', make: () => [revoked()], ...unlike('payload[0]', ['[unreadable]']) },
  { name: 'a proxy that behaves', make: () => new Proxy({ a: 1 }, {}), ...same({ a: 1 }) },
  {
    name: 'a proxy of a list without end',
    make: endlessArray,
    enqueued: { path: 'payload', says: /long|large|many/ },
    returned: { truncated: undefined },
  },

  { name: 'a Map', make: () => ({ m: new Map([['a', 1]]) }), ...unlike('payload.m', { m: { a: 1 } }, /Map/) },
  { name: 'a Set', make: () => [new Set([1])], ...unlike('payload[0]', [[1]], /Set/) },
  { name: 'a Set whose iteration never ends', make: () => new EndlessSet([1]), ...unlike('payload', [1], /Set/) },
  { name: 'a Map whose keys never end', make: () => new EndlessMap([['a', 1]]), ...unlike('payload', { a: 1 }, /Map/) },
  { name: 'a WeakMap', make: () => new WeakMap(), ...unlike('payload', {}, /WeakMap/) },
  { name: 'a promise', make: () => ({ p: Promise.resolve(1) }), ...unlike('payload.p', { p: {} }, /Promise/) },
  { name: 'a Date', make: () => [new Date(0)], ...same(['1970-01-01T00:00:00.000Z']) },
  { name: 'an invalid Date', make: () => [new Date(Number.NaN)], ...unlike('payload[0]', [null], /Date/) },
  { name: 'a Buffer', make: () => Buffer.from('hi'), ...same({ type: 'Buffer', data: [104, 105] }) },
  {
    name: 'a typed array',
    make: () => ({ t: new Float64Array([1.5]) }),
    ...unlike('payload.t', { t: [1.5] }, /Float64Array/),
  },
  { name: 'an ArrayBuffer', make: () => new Uint8Array([1]).buffer, ...unlike('payload', [1], /ArrayBuffer/) },
  { name: 'a DataView', make: () => new DataView(new ArrayBuffer(1)), ...unlike('payload', [0], /DataView/) },
  {
    name: 'an Error',
    make: () => [new TypeError('bad')],
    ...unlike('payload[0]', [{ name: 'TypeError', message: 'bad' }], /Error/),
  },
  { name: 'a RegExp', make: () => [/x/], ...unlike('payload[0]', [{}], /RegExp/) },
  { name: 'boxed values', make: () => [Object('x'), Object(1), Object(false)], ...same(['x', 1, false]) },
  { name: 'a boxed BigInt', make: () => [Object(5n)], ...unlike('payload[0]', [{}], /BigInt/i) },
  { name: 'an object of a class', make: () => new Money(), ...same({ amount: 5 }) },
  {
    name: 'an object without prototype',
    make: () => Object.assign(Object.create(null), { a: 1 }) as unknown,
    ...same({ a: 1 }),
  },
  {
    name: 'an array with holes',
    make: () => {
      const holes: unknown[] = []
      holes[2] = 1
      return holes
    },
    ...same([null, null, 1]),
  },
  { name: 'an array with members', make: () => Object.assign([1], { more: 2 }), ...same([1]) },
  {
    name: 'the longest array',
    make: () => Array(2 ** 32 - 1),
    enqueued: { path: 'payload', says: /long|large|many/ },
    returned: { truncated: undefined },
  },
  {
    name: 'an array of five million',
    make: () => Array(5_000_000).fill(0),
    enqueued: { path: 'payload', says: /long|large|many/ },
    returned: { truncated: undefined },
  },
  {
    name: 'a million keys',
    make: () => (millionKeys ??= Object.fromEntries(Array.from({ length: 1_000_000 }, (_, n) => [n.toString(36), 0]))),
    enqueued: { path: 'payload', says: /long|large|many|bytes/ },
    returned: { truncated: 8_952_013 },
  },
  {
    name: '50 MB',
    make: () => 'x'.repeat(50_000_000),
    enqueued: { path: 'payload' },
    returned: { truncated: 50_000_002 },
  },
  {
    name: 'a byte too many',
    make: () => 'x'.repeat(MIB - 1),
    enqueued: { path: 'payload' },
    returned: { truncated: MIB + 1 },
  },
  { name: 'exactly 1 MiB', make: () => 'x'.repeat(MIB - 2), ...same('x'.repeat(MIB - 2)) },
  {
    name: '300,000 lions',
    make: () => '🦁'.repeat(300_000),
    enqueued: { path: 'payload' },
    returned: { truncated: 1_200_002 },
  },
  {
    name: 'a text of half a gigabyte',
    make: () => 'x'.repeat(2 ** 29 - 24),
    enqueued: { path: 'payload' },
    returned: { truncated: 2 ** 29 - 22 },
  },
  {
    name: '5,000 floats that are written out',
    make: () => Array(5_000).fill(1e300),
    enqueued: { path: 'payload' },
    returned: { truncated: 1_515_000 },
  },
]
