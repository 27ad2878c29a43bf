import { describe, expect, test } from 'vitest'
import {
  nonRetryable,
  NonRetryableError,
  retryAfter,
  RetryAfterError,
  signalOf,
  snooze,
  SnoozeSignal,
} from '../../src/job/handler-signals.ts'

const thrower = () => {
  throw new Error('no')
}
const SIGNAL = Symbol.for('forgeq.handler_signal')

test('each signal is an error with a message, a name and its wish', () => {
  const cause = new Error('why')
  const dead = nonRetryable('no such account', cause)
  expect(dead).toBeInstanceOf(NonRetryableError)
  expect(dead).toMatchObject({ name: 'NonRetryableError', message: 'no such account', cause })
  expect(signalOf(dead)).toEqual({ kind: 'non_retryable' })

  const later = retryAfter('5m', 'rate limited', cause)
  expect(later).toBeInstanceOf(RetryAfterError)
  expect(later).toMatchObject({ name: 'RetryAfterError', message: 'rate limited', cause })
  expect(signalOf(later)).toEqual({ kind: 'retry_after', delayMs: 300_000 })
  expect(retryAfter('5m').message).toBe('asked to be retried after 5m')

  expect(snooze('PT0.5S')).toBeInstanceOf(SnoozeSignal)
  expect(signalOf(snooze('PT0.5S'))).toEqual({ kind: 'snooze', delayMs: 500 })
})

test('a subclass carries the wish of its parent', () => {
  class AccountClosed extends NonRetryableError {}
  expect(signalOf(new AccountClosed('closed'))).toEqual({ kind: 'non_retryable' })
})

test('a signal of another copy of the package is known by its mark', () => {
  expect(signalOf({ [SIGNAL]: { kind: 'snooze', delayMs: 7 } })).toEqual({ kind: 'snooze', delayMs: 7 })
})

describe('a bad duration throws at once and says what a duration is:', () => {
  test.each(['banana', '5', '', '-5m', 5, undefined, null, {}])('%o', (delay) => {
    for (const make of [retryAfter, snooze]) {
      expect(() => make(delay as string)).toThrow(TypeError)
      expect(() => make(delay as string)).toThrow(/is not a duration; a duration is .*30s/)
    }
  })
  test('a value that cannot be shown', () => {
    expect(() => retryAfter(Object.create(null) as string)).toThrow(
      'retryAfter: a value of type object is not a duration',
    )
    expect(() => snooze(Symbol('x') as unknown as string)).toThrow('snooze: a value of type symbol is not a duration')
  })
})

test.each([
  null,
  undefined,
  'snooze',
  0,
  new Error('x'),
  {},
  [],
  { kind: 'snooze', delayMs: 1 },
  { [SIGNAL]: null },
  { [SIGNAL]: 'snooze' },
  { [SIGNAL]: {} },
  { [SIGNAL]: { kind: 'snooze' } },
  { [SIGNAL]: { kind: 'snooze', delayMs: -1 } },
  { [SIGNAL]: { kind: 'retry_after', delayMs: Number.NaN } },
  { [SIGNAL]: { kind: 'snooze', delayMs: '5' } },
  { [SIGNAL]: { kind: 'other', delayMs: 5 } },
])('%o is no signal', (thrown) => expect(signalOf(thrown)).toBeUndefined())

test('what throws when it is looked at is no signal either', () => {
  expect(signalOf(new Proxy({}, { get: thrower }))).toBeUndefined()
  expect(signalOf({ [SIGNAL]: new Proxy({}, { get: thrower }) })).toBeUndefined()
})
