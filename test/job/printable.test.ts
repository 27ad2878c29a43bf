import fc from 'fast-check'
import { expect, test } from 'vitest'
import { printable, printableLine } from '../../src/job/printable.ts'

const UNSAFE = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

test('shows what would steer a terminal as visible escapes', () => {
  expect(printable('\x1b]0;x\x07 \x9b2J \rFAKE LOG \u2028 \u202e \x7f')).toBe(
    String.raw`\x1b]0;x\x07 \x9b2J \rFAKE LOG \u2028 \u202e \x7f`,
  )
})

test('keeps line ends, tabs, emoji and every script', () => {
  expect(printable('a\tb\nc\r\nd 🦁 漢字 שלום العربية é')).toBe('a\tb\nc\nd 🦁 漢字 שלום العربية é')
})

test('one line stays one line', () => {
  expect(printableLine('a\tb\nc\r\nd\u2029e')).toBe(String.raw`a\tb\nc\r\nd\u2029e`)
})

test('nothing unsafe comes through, whatever the text', () => {
  const texts = fc.string({ unit: 'binary', maxLength: 200 })
  fc.assert(
    fc.property(texts, (text) => {
      expect(printable(text)).not.toMatch(UNSAFE)
      expect(printableLine(text)).not.toMatch(UNSAFE)
      expect(printableLine(text)).not.toMatch(/[\t\n]/)
    }),
  )
  const everyUnit = Array.from({ length: 0x10000 }, (_, code) => String.fromCharCode(code)).join(' ')
  expect(printable(everyUnit)).not.toMatch(UNSAFE)
})

test('half a character is shown as its number', () => {
  expect(printable('a\ud83eb🦁')).toBe(String.raw`a\ud83eb🦁`)
})
