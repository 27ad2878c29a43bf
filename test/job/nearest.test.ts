import { expect, test } from 'vitest'
import { nearest } from '../../src/job/nearest.ts'

const FIELDS = [
  'type',
  'payload',
  'id',
  'queue',
  'priority',
  'run_at',
  'delay',
  'max_attempts',
  'idempotency_key',
  'tags',
]

test.each([
  ['payloda', 'payload'],
  ['quue', 'queue'],
  ['queeu', 'queue'],
  ['tpye', 'type'],
  ['runAt', 'run_at'],
  ['run-at', 'run_at'],
  ['RUN_AT', 'run_at'],
  ['maxAttempts', 'max_attempts'],
  ['max_attempt', 'max_attempts'],
  ['prio', 'priority'],
  ['idempotencykey', 'idempotency_key'],
  ['tag', 'tags'],
  ['ID', 'id'],
])('%s means %s', (word, field) => expect(nearest(word, FIELDS)).toBe(field))

test.each(['', 'x', 'xy', 'banana', 'constructor', '__proto__', 'p'.repeat(1e6), '🦁🦁🦁', '----', '___'])(
  '%s means nothing known',
  (word) => expect(nearest(word, FIELDS)).toBeUndefined(),
)

test('the nearer word wins, the first of equals', () => {
  expect(nearest('jobs', ['job', 'jobs'])).toBe('jobs')
  expect(nearest('abcdef', ['abcdex', 'abcdey'])).toBe('abcdex')
})

test('a swap costs as much as one letter', () => {
  expect(nearest('abc', ['acb'])).toBe('acb')
  expect(nearest('abc', ['xyc'])).toBeUndefined()
})

test('two errors in four letters are another word', () => {
  expect(nearest('abcd', ['abxy'])).toBeUndefined()
  expect(nearest('abcdef', ['abcdxy'])).toBe('abcdxy')
})
