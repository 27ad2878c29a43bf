/** What a handler throws, and the error that its job is left with. */
export interface ThrownValue {
  name: string
  make(): unknown
  /** Members of the stored error; the message as it is or as it must look. */
  error: { message: string | RegExp; name?: string; code?: string; truncated?: true; stack?: RegExp }
  /** What the job comes to instead of another attempt. */
  state?: 'dead' | 'scheduled'
}

const no = (): never => {
  throw new Error('no')
}
const withField = (field: string, value: unknown) => Object.defineProperty(new Error('plain'), field, { value })
const withGetter = (field: string) => Object.defineProperty(new Error('plain'), field, { get: no })
const signal = (wish: unknown) => Object.assign(new Error('signal'), { [Symbol.for('forgeq.handler_signal')]: wish })
const circular = () => {
  const value: Record<string, unknown> = { a: 1 }
  value['self'] = value
  return value
}
const chain = (length: number) => {
  let error = new Error('last')
  for (let n = 0; n < length; n++) error = new Error(`link ${n}`, { cause: error })
  return error
}
const circleOfTwo = () => {
  const [one, two] = [new Error('one'), new Error('two')]
  one.cause = two
  two.cause = one
  return one
}
const PART = new Error('a part')
const NOT_AN_ERROR = 'not an Error was thrown: '

export const THROWN_VALUES: ThrownValue[] = [
  { name: 'zero', make: () => 0, error: { name: 'Error', message: `${NOT_AN_ERROR}0` } },
  { name: 'an empty text', make: () => '', error: { name: 'Error', message: '' } },
  { name: 'false', make: () => false, error: { message: `${NOT_AN_ERROR}false` } },
  { name: 'NaN', make: () => Number.NaN, error: { message: `${NOT_AN_ERROR}NaN` } },
  { name: 'a function', make: () => no, error: { name: 'no', message: /^not an Error was thrown: / } },
  { name: 'an array', make: () => ['a', 1], error: { message: `${NOT_AN_ERROR}["a",1]` } },
  { name: 'an empty object', make: () => ({}), error: { message: `${NOT_AN_ERROR}{}` } },
  { name: 'an object in itself', make: circular, error: { message: `${NOT_AN_ERROR}{"a":1,"self":"[circular]"}` } },
  { name: 'an object of 50 MB', make: () => ({ a: 'x'.repeat(50_000_000) }), error: { message: /forgeq_truncated/ } },
  { name: 'a promise that never settles', make: () => new Promise(() => {}), error: { message: `${NOT_AN_ERROR}{}` } },
  { name: 'a text of 50 MB', make: () => 'x'.repeat(50_000_000), error: { message: /^x{8192}$/, truncated: true } },
  { name: 'a text with NUL and half a character', make: () => 'a\0b\udd81', error: { message: 'a\ufffdb\ufffd' } },
  { name: 'a class', make: () => Set, error: { name: 'Set', message: /^not an Error was thrown/ } },

  {
    name: 'a frozen error',
    make: () => Object.freeze(new RangeError('cold')),
    error: { name: 'RangeError', message: 'cold' },
  },
  {
    name: 'an error of a class without a name',
    make: () => new (class extends Error {})('anonymous'),
    error: { name: 'Error', message: 'anonymous' },
  },
  {
    name: 'an error of a class whose name is empty',
    make: () => Object.assign(new Error('x'), { name: '' }),
    error: { name: 'Error', message: 'x' },
  },
  {
    name: 'an error that is a proxy',
    make: () => new Proxy(new TypeError('behind'), {}),
    error: { name: 'TypeError', message: 'behind' },
  },
  {
    name: 'an error without prototype',
    make: () => Object.setPrototypeOf(new Error('orphan'), null) as unknown,
    error: { name: 'Error', message: 'orphan' },
  },
  {
    name: 'an error whose texts throw',
    make: () => Object.assign(new Error('kept'), { toString: no, toJSON: no, valueOf: no }),
    error: { message: 'kept' },
  },
  {
    name: 'a DOMException',
    make: () => new DOMException('gone', 'AbortError'),
    error: { name: 'AbortError', message: 'gone', code: '20' },
  },

  { name: 'an error whose message is an object', make: () => withField('message', { a: 1 }), error: { message: /\S/ } },
  {
    name: 'an error whose message is an array',
    make: () => withField('message', ['a', 'b']),
    error: { message: /a.*b/ },
  },
  { name: 'an error whose message is a number', make: () => withField('message', 7), error: { message: '7' } },
  {
    name: 'an error whose message is a symbol',
    make: () => withField('message', Symbol('s')),
    error: { message: 'Symbol(s)' },
  },
  {
    name: 'an error whose message has no text',
    make: () => withField('message', Object.create(null)),
    error: { message: /^.*$/ },
  },
  {
    name: 'an error whose message is the longest array',
    make: () => withField('message', Array(2 ** 32 - 1)),
    error: { message: /^.*$/ },
  },
  {
    name: 'an error whose message is a getter that throws',
    make: () => withGetter('message'),
    error: { message: /\S/ },
  },
  {
    name: 'an error with terminal escapes',
    make: () => new Error('\x1b[2J\x9b31m\u202e'),
    error: { message: '\x1b[2J\x9b31m\u202e' },
  },

  {
    name: 'an error whose name is a getter that throws',
    make: () => withGetter('name'),
    error: { name: 'Error', message: 'plain' },
  },
  {
    name: 'an error whose name is a number',
    make: () => withField('name', 5),
    error: { name: 'Error', message: 'plain' },
  },
  {
    name: 'an error whose name holds NUL',
    make: () => withField('name', 'A\0\ud83e'),
    error: { name: 'A\ufffd\ufffd', message: 'plain' },
  },
  {
    name: 'an error whose name has 50 MB',
    make: () => withField('name', 'N'.repeat(50_000_000)),
    error: { name: 'N'.repeat(256), message: 'plain', truncated: true },
  },

  { name: 'an error whose code is a getter that throws', make: () => withGetter('code'), error: { message: 'plain' } },
  {
    name: 'an error whose code is a number',
    make: () => withField('code', -0),
    error: { message: 'plain', code: '0' },
  },
  { name: 'an error whose code is an object', make: () => withField('code', {}), error: { message: 'plain' } },
  {
    name: 'an error whose code holds NUL',
    make: () => withField('code', 'E\0'),
    error: { message: 'plain', code: 'E\ufffd' },
  },
  {
    name: 'an error whose code has 50 MB',
    make: () => withField('code', 'E'.repeat(50_000_000)),
    error: { message: 'plain', code: 'E'.repeat(128) },
  },

  {
    name: 'an error whose stack is a getter that throws',
    make: () => withGetter('stack'),
    error: { message: 'plain' },
  },
  { name: 'an error whose stack is an object', make: () => withField('stack', { a: 1 }), error: { message: 'plain' } },
  {
    name: 'an error whose stack has 50 MB',
    make: () => withField('stack', `Error: plain\n${'    at x\n'.repeat(5_000_000)}`),
    error: { message: 'plain', truncated: true, stack: /^Error: plain\n {4}at x/ },
  },
  {
    name: 'an error whose stack holds NUL',
    make: () => withField('stack', 'at\0\ud83e'),
    error: { message: 'plain', stack: /^at\ufffd\ufffd$/ },
  },

  { name: 'errors in a circle', make: circleOfTwo, error: { message: 'one', stack: /Caused by: Error: two/ } },
  {
    name: 'a chain of 100,000 causes',
    make: () => chain(100_000),
    error: { message: 'link 99999', stack: /Caused by: Error: link 99998/ },
  },
  { name: 'an error whose cause is null', make: () => new Error('x', { cause: null }), error: { message: 'x' } },
  {
    name: 'an error whose cause is an object in itself',
    make: () => new Error('x', { cause: circular() }),
    error: { message: 'x', stack: /Caused by: .*circular/ },
  },
  {
    name: 'an error whose cause is a getter that throws',
    make: () => withGetter('cause'),
    error: { message: 'plain' },
  },
  {
    name: 'an error whose cause is a revoked proxy',
    make: () => {
      const { proxy, revoke } = Proxy.revocable({}, {})
      revoke()
      return new Error('x', { cause: proxy })
    },
    error: { message: 'x' },
  },
  {
    name: 'an AggregateError',
    make: () => new AggregateError([new Error('a'), 'b', null], 'several'),
    error: { name: 'AggregateError', message: 'several', stack: /One of the errors: Error: a/ },
  },
  {
    name: 'an AggregateError of 100,000',
    make: () =>
      new AggregateError(
        Array.from({ length: 100_000 }, () => PART),
        'many',
      ),
    error: { message: 'many' },
  },
  {
    name: 'an AggregateError that lies in itself',
    make: () => {
      const all = new AggregateError([], 'self')
      all.errors.push(all)
      return all
    },
    error: { message: 'self' },
  },
  {
    name: 'an error whose errors are a getter that throws',
    make: () => withGetter('errors'),
    error: { message: 'plain' },
  },

  { name: 'a signal of an unknown kind', make: () => signal({ kind: 'explode' }), error: { message: 'signal' } },
  { name: 'a signal that is no object', make: () => signal(7), error: { message: 'signal' } },
  {
    name: 'a signal with a pause of NaN',
    make: () => signal({ kind: 'snooze', delayMs: Number.NaN }),
    error: { message: 'signal' },
  },
  {
    name: 'a signal with a negative pause',
    make: () => signal({ kind: 'retry_after', delayMs: -1 }),
    error: { message: 'signal' },
  },
  {
    name: 'a signal with a pause as BigInt',
    make: () => signal({ kind: 'snooze', delayMs: 5n }),
    error: { message: 'signal' },
  },
  {
    name: 'a signal with a pause of 285,000 years',
    make: () => signal({ kind: 'retry_after', delayMs: Number.MAX_SAFE_INTEGER }),
    error: { message: 'signal' },
  },
  {
    name: 'a signal whose kind is a getter that throws',
    make: () =>
      signal({
        get kind() {
          return no()
        },
      }),
    error: { message: 'signal' },
  },
  {
    name: 'a signal that is frozen',
    make: () => Object.freeze(signal({ kind: 'non_retryable' })),
    error: { message: 'signal' },
    state: 'dead',
  },
  {
    name: 'what is no error but carries a signal',
    make: () => ({ [Symbol.for('forgeq.handler_signal')]: { kind: 'non_retryable' } }),
    error: { message: `${NOT_AN_ERROR}{}` },
    state: 'dead',
  },
]
