const UNSTORABLE = /[\0\ud800-\udfff]/
// With the `u` flag a surrogate matches only where it has no partner.
const UNSTORABLE_EACH = /[\0\ud800-\udfff]/gu

/** The text with NUL and lone surrogates, which PostgreSQL cannot store, replaced by U+FFFD. */
export function cleanText(text: string): string {
  return UNSTORABLE.test(text) ? text.replace(UNSTORABLE_EACH, '\ufffd') : text
}

/** True for text that holds a surrogate without its partner, which is no character and has no UTF-8 form. */
export const hasLoneSurrogate = (text: string): boolean => /[\ud800-\udfff]/u.test(text)

/** Bytes of the text in UTF-8; a lone surrogate counts as the three bytes of the U+FFFD that would replace it. */
export function utf8Bytes(text: string): number {
  let bytes = text.length
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) continue
    if (unit < 0x800) bytes += 1
    else if (isPair(text, index)) {
      bytes += 2
      index++
    } else bytes += 2
  }
  return bytes
}

/**
 * The longest beginning of the text that takes at most `maxBytes` in UTF-8 and ends with a whole character.
 * Costs no more than `maxBytes` steps, however long the text is.
 */
export function cutText(text: string, maxBytes: number): { text: string; cut: boolean } {
  if (text.length * 3 <= maxBytes) return { text, cut: false }
  let bytes = 0
  let index = 0
  while (index < text.length) {
    const unit = text.charCodeAt(index)
    const pair = unit >= 0x800 && isPair(text, index)
    bytes += unit < 0x80 ? 1 : unit < 0x800 ? 2 : pair ? 4 : 3
    if (bytes > maxBytes) return { text: text.slice(0, index), cut: true }
    index += pair ? 2 : 1
  }
  return { text, cut: false }
}

/** `cleanText`, then `cutText`, without ever touching more of a huge text than the part that is kept. */
export function storableText(text: string, maxBytes: number): { text: string; cut: boolean } {
  // Each unit takes at least a byte, so what is kept lies before `maxBytes`; two more keep the last pair whole.
  const reached = text.length > maxBytes + 2 ? text.slice(0, maxBytes + 2) : text
  return cutText(cleanText(reached), maxBytes)
}

function isPair(text: string, index: number): boolean {
  if ((text.charCodeAt(index) & 0xfc00) !== 0xd800) return false
  return (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00
}
