import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fingerprintOf } from '../../src/job/fingerprint.ts'
import { MAX_MESSAGE_BYTES, MAX_STACK_BYTES, toJobError } from '../../src/job/job-error.ts'
import { hasLoneSurrogate } from '../../src/job/text.ts'

const bytesOf = (text: string) => new TextEncoder().encode(text).length
const thrower = () => {
  throw new Error('no')
}
const hostile = (properties: string[]) => {
  const error = new Error('visible')
  for (const name of properties) Object.defineProperty(error, name, { get: thrower })
  return error
}

test('keeps name, message, stack and code of an error', () => {
  const error = Object.assign(new TypeError('no such host'), { code: 'ENOTFOUND' })
  expect(toJobError(error)).toEqual({
    name: 'TypeError',
    message: 'no such host',
    stack: error.stack,
    code: 'ENOTFOUND',
    fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
  })
})

describe('anything may be thrown:', () => {
  test.each([
    [null, 'not an Error was thrown: null'],
    [undefined, 'not an Error was thrown: undefined'],
    [42, 'not an Error was thrown: 42'],
    [10n, 'not an Error was thrown: 10'],
    [false, 'not an Error was thrown: false'],
    [Symbol('s'), 'not an Error was thrown: Symbol(s)'],
    ['plain text', 'plain text'],
    ['', ''],
    [{ a: 1 }, 'not an Error was thrown: {"a":1}'],
    [[1, 2], 'not an Error was thrown: [1,2]'],
    [{ message: 'from afar' }, 'from afar'],
    [{ message: 7 }, '7'],
    [{ message: { toString: thrower } }, ''],
    [() => 1, 'not an Error was thrown: null'],
    [hostile(['stack', 'message']), 'not an Error was thrown: "[unreadable]"'],
    [hostile(['stack', 'name', 'code', 'cause', 'errors']), 'visible'],
    [new Proxy(new Error('x'), { get: thrower }), 'not an Error was thrown: "[unreadable]"'],
    [
      new Proxy({}, { get: thrower, ownKeys: thrower, getPrototypeOf: thrower }),
      'not an Error was thrown: "[unreadable]"',
    ],
  ])('%#', (thrown, message) => {
    expect(toJobError(thrown)).toMatchObject({ name: 'Error', message })
  })
})

test('300,000 lion emoji are cut to 8 KiB at a whole one and marked, also with a letter before them', () => {
  for (const before of ['', 'a']) {
    const error = toJobError(new Error(before + '🦁'.repeat(300_000)))
    expect(error.truncated).toBe(true)
    expect(error.message).toBe(before + '🦁'.repeat(before ? 2047 : 2048))
    expect(error.message + error.stack).not.toContain('\ufffd')
    expect(bytesOf(error.stack!)).toBeLessThanOrEqual(MAX_STACK_BYTES)
    expect(hasLoneSurrogate(error.stack!)).toBe(false)
    expect(error.stack, 'a long message leaves room for the frames').toMatch(/🦁…\n +at .*job-error\.test/)
  }
})

test('a small error is not marked as cut', () => {
  expect(toJobError(new Error('x'))).not.toHaveProperty('truncated')
})

test('a stack of megabytes is cut and marked', () => {
  const error = new Error('x')
  error.stack = `Error: x\n${'é'.repeat(5_000_000)}`
  const { stack, message, truncated } = toJobError(error)
  expect(truncated).toBe(true)
  expect(message).toBe('x')
  expect(bytesOf(stack!)).toBeGreaterThan(MAX_STACK_BYTES - 2)
  expect(bytesOf(stack!)).toBeLessThanOrEqual(MAX_STACK_BYTES)
})

test('causes and the parts of an AggregateError follow in the stack', () => {
  const root = new Error('root')
  const middle = new Error('middle', { cause: root })
  const { stack } = toJobError(new AggregateError([new Error('first'), 'second'], 'many', { cause: middle }))
  const order = [
    'many',
    'One of the errors: Error: first',
    'One of the errors: Error: second',
    'Caused by: Error: middle',
    'Caused by: Error: root',
  ]
  const places = order.map((text) => stack!.indexOf(text))
  expect(places).not.toContain(-1)
  expect(places).toEqual(places.toSorted((one, other) => one - other))
  expect(toJobError({ message: 'x', cause: 'why' }).stack).toBe('Caused by: Error: why')
})

test('a circle of causes and an endless chain of them end', () => {
  const circle = new Error('circle')
  circle.cause = circle
  expect(toJobError(circle).stack).toBe(circle.stack)
  const endless = {
    message: 'again',
    get cause() {
      return Object.create(endless) as unknown
    },
  }
  expect(toJobError(endless).stack!.match(/Caused by/g)!.length).toBeLessThanOrEqual(8)
})

test('NUL and half characters are replaced everywhere', () => {
  const error = Object.assign(new Error('a\0\ud83eb'), { name: 'N\0', code: 'C\udd81' })
  error.stack = 'S\0\ud83e'
  expect(toJobError(error)).toMatchObject({
    name: 'N\ufffd',
    message: 'a\ufffd\ufffdb',
    code: 'C\ufffd',
    stack: 'S\ufffd\ufffd',
  })
})

test('whatever is thrown, the error is within its limits and can be stored', () => {
  fc.assert(
    fc.property(
      fc.anything({ withBigInt: true, withNullPrototype: true, withMap: true }),
      fc.string({ unit: 'binary' }),
      (value, text) => {
        for (const thrown of [
          value,
          { message: value, name: text, stack: text, code: value, cause: value, errors: value },
        ]) {
          const error = toJobError(thrown)
          expect(bytesOf(error.message)).toBeLessThanOrEqual(MAX_MESSAGE_BYTES)
          const texts = [error.name, error.message, error.stack ?? '', error.code ?? '']
          for (const part of texts) expect(part).not.toContain('\0')
          expect(texts.some(hasLoneSurrogate)).toBe(false)
          expect(error.name).not.toBe('')
        }
      },
    ),
  )
})

describe('the fingerprint is the same for', () => {
  test.each([
    ['numbers', 'timeout after 30s at 10.0.0.1:5432', 'timeout after 7s at 127.0.0.12:80'],
    ['uuids', 'no job 017f22e2-79b0-7cc3-98c4-dc0c0c07398f', 'no job 0190A0B0-0000-7000-8000-0123456789ab'],
    ['hexadecimal numbers', 'at 0xdeadbeef of deadbeef01', 'at 0x1 of 0123456789abcdef'],
    ['quoted values', `can't read 'a' of "x y"`, `can't read 'it b' of "z"`],
    ['backticks', 'no table `users`', 'no table `jobs`'],
    ['what follows a long beginning', 'e'.repeat(1024) + 'a', 'e'.repeat(1024) + 'b'],
  ])('different %s', (_what, one, other) => expect(fingerprintOf('Error', one)).toBe(fingerprintOf('Error', other)))
})

test('the fingerprint tells causes apart', () => {
  const messages = [
    'connect ECONNREFUSED',
    'connect ETIMEDOUT',
    '',
    'a',
    'b',
    'ab',
    'ba',
    `can't connect`,
    `can't accept`,
    `can't read 'a'`,
    `can't write 'a'`,
    'feedface',
    'facade',
  ]
  const prints = [
    ...messages.map((message) => fingerprintOf('Error', message)),
    fingerprintOf('TypeError', 'a'),
    fingerprintOf('', 'Error\na'),
  ]
  expect(new Set(prints).size).toBe(prints.length)
})

test('the fingerprint of a release is that of the next: it is stored', () => {
  expect(fingerprintOf('Error', 'connect ECONNREFUSED 127.0.0.1:5432')).toBe('c016ef4740d3890b')
})

test('sixty thousand different texts have different fingerprints', () => {
  const letters = (index: number) => index.toString(36).replaceAll(/\d/g, (digit) => 'ABCDEFGHIJ'[Number(digit)]!)
  const prints = new Set(Array.from({ length: 60_000 }, (_, index) => fingerprintOf('Error', letters(index))))
  expect(prints.size).toBe(60_000)
})

test('quotes and digits without end take no time', () => {
  const started = performance.now()
  for (const text of ['"', "'a", '0', 'a0', '0,', '-', '0x']) fingerprintOf('Error', text.repeat(1e6))
  expect(performance.now() - started).toBeLessThan(500)
})
