// Controls but tab and line feed, DEL, C1, and what reorders or breaks a line: marks, overrides, isolates, separators.
const UNSAFE = /[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|[\ud800-\udfff]/gu
const UNSAFE_IN_LINE = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|[\ud800-\udfff]/gu

const SHORT: Record<string, string> = { '\n': String.raw`\n`, '\r': String.raw`\r`, '\t': String.raw`\t` }

/**
 * Text of others that is safe to print on a terminal: no control character but line feed and tab, nothing that
 * reorders what follows; the rest is shown as a visible escape (`\x1b`, `\u202e`). CRLF becomes a line feed.
 */
export const printable = (text: string): string => text.replaceAll('\r\n', '\n').replace(UNSAFE, visible)

/** `printable` for one line: line feeds and tabs are shown as escapes too. */
export const printableLine = (text: string): string => text.replace(UNSAFE_IN_LINE, visible)

function visible(character: string): string {
  const short = SHORT[character]
  if (short) return short
  const code = character.charCodeAt(0)
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
}
