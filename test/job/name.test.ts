import { describe, expect, test } from 'vitest'
import { isKey, isQueueName, isTag, isTypeName } from '../../src/job/name.ts'

const notText = [null, undefined, 1, {}, ['a'], new String('a'), Symbol('a')]

describe('a type name', () => {
  test.each([
    'a',
    '0',
    'send_email',
    'users/welcome',
    'a.b:c-d_e/f',
    'A..b',
    'a/b.',
    'a//b',
    'a'.repeat(128),
    'constructor',
    '1/2',
  ])('may be %s', (name) => expect(isTypeName(name)).toBe(true))
  test.each([
    '',
    '.',
    '..',
    '.a',
    '/a',
    '-a',
    '_a',
    ':a',
    'a b',
    'a\n',
    '\na',
    'é',
    'a/.b',
    'a/..',
    'a/../b',
    'a/b/.git/c',
    'a\\b',
    'a%2fb',
    'a'.repeat(129),
    '__proto__',
    'a\0',
    'a?b',
    ...notText,
  ])('may not be %o', (name) => expect(isTypeName(name)).toBe(false))
})

describe('a queue name', () => {
  test.each(['default', 'emails', 'a.b:c-d_e', 'a'.repeat(128)])('may be %s', (name) =>
    expect(isQueueName(name)).toBe(true),
  )
  test.each(['', 'a/b', '.a', 'a b', 'a'.repeat(129), 'a\n', '*', ...notText])('may not be %o', (name) =>
    expect(isQueueName(name)).toBe(false),
  )
})

describe('a key', () => {
  test.each(['a', ' ', 'order 42', 'é'.repeat(127), '🦁'.repeat(63), 'a'.repeat(255), '"', '__proto__', '\u202e'])(
    'may be %o',
    (key) => expect(isKey(key)).toBe(true),
  )
  test.each([
    '',
    'a'.repeat(256),
    'é'.repeat(128),
    '🦁'.repeat(64),
    'a\0',
    'a\n',
    '\x7f',
    '\x9b',
    '\ud83e',
    '\udd81a',
    ...notText,
  ])('may not be %o', (key) => expect(isKey(key)).toBe(false))
})

describe('a tag', () => {
  test.each(['a', 'two words', '🦁'.repeat(128), 'é'.repeat(128)])('may be %o', (tag) => expect(isTag(tag)).toBe(true))
  test.each([
    '',
    'a'.repeat(129),
    '🦁'.repeat(129),
    '🦁'.repeat(127) + 'ab',
    'a\tb',
    'a\0',
    '\ud83e',
    'a'.repeat(1e6),
    ...notText,
  ])('may not be %o', (tag) => expect(isTag(tag)).toBe(false))
})
