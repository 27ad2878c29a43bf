import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cleanText, cutText, hasLoneSurrogate, storableText, utf8Bytes } from '../../src/job/text.ts'

/** Text of every kind of code unit, lone surrogates too. */
const anyText = fc.string({
  unit: fc.oneof(
    fc.constantFrom('\0', 'a', 'é', '€', '🦁', '\ud83e', '\udd81', '\uffff', '\u07ff', '\u0800'),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }),
  ),
})
const encodedBytes = (text: string) => new TextEncoder().encode(text).length

test('counts UTF-8 bytes as an encoder does', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      expect(utf8Bytes(text)).toBe(encodedBytes(text))
    }),
  )
})

test('cleaned text holds neither NUL nor half a character, and good text is untouched', () => {
  expect(cleanText('a\0b\ud83ec\udd81🦁')).toBe('a\ufffdb\ufffdc\ufffd🦁')
  fc.assert(
    fc.property(anyText, (text) => {
      const clean = cleanText(text)
      expect(clean).not.toContain('\0')
      expect(hasLoneSurrogate(clean)).toBe(false)
      if (!text.includes('\0') && !hasLoneSurrogate(text)) expect(clean).toBe(text)
    }),
  )
})

test('finds half a pair at either end, alone, and in the wrong order', () => {
  for (const text of ['\ud83e', '\udd81', 'a\ud83e', '\udd81a', '\udd81\ud83e', '\ud83e\ud83e\udd81']) {
    expect(hasLoneSurrogate(text)).toBe(true)
  }
  expect(hasLoneSurrogate('🦁')).toBe(false)
})

test('300,000 lion emoji are cut after a whole one, also with a letter before them', () => {
  expect(cutText('🦁'.repeat(300_000), 8192)).toEqual({ text: '🦁'.repeat(2048), cut: true })
  expect(cutText(`a${'🦁'.repeat(300_000)}`, 8192)).toEqual({ text: `a${'🦁'.repeat(2047)}`, cut: true })
  expect(storableText('🦁'.repeat(300_000), 8192)).toEqual({ text: '🦁'.repeat(2048), cut: true })
  expect(storableText(`a${'🦁'.repeat(300_000)}`, 8192)).toEqual({ text: `a${'🦁'.repeat(2047)}`, cut: true })
})

test('the cut is the longest beginning of whole characters that fits', () => {
  fc.assert(
    fc.property(anyText, fc.nat(80), (text, maxBytes) => {
      const { text: kept, cut } = cutText(text, maxBytes)
      expect(text.startsWith(kept)).toBe(true)
      expect(encodedBytes(kept)).toBeLessThanOrEqual(maxBytes)
      expect(cut).toBe(kept !== text)
      if (!cut) return
      const next = String.fromCodePoint(text.codePointAt(kept.length)!)
      expect(encodedBytes(kept + next)).toBeGreaterThan(maxBytes)
    }),
  )
})

test('storable text is the cleaned text, cut', () => {
  fc.assert(
    fc.property(anyText, fc.nat(40), (text, maxBytes) => {
      expect(storableText(text, maxBytes)).toEqual(cutText(cleanText(text), maxBytes))
    }),
  )
})
