/** Enough to tell causes apart; errors of megabytes cost no more than others. */
const MAX_LENGTH = 1_024

const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi
// Not after a letter or digit: the apostrophe of "can't" opens nothing.
const QUOTED = /(?<![\p{L}\p{N}])(["'`]).{0,200}?\1(?![\p{L}\p{N}])/gsu
const HEX = /\b(?:0x[0-9a-f]+|(?=[a-f]*\d)[0-9a-f]{8,})\b/gi
const NUMBER = /\d+(?:[.,]\d+)*/g

/**
 * Sixteen hexadecimal digits, the same for errors of one cause: name and message with quoted values, uuids, hexadecimal
 * and other numbers left out. Not a secure hash.
 */
export function fingerprintOf(name: string, message: string): string {
  const text = message.slice(0, MAX_LENGTH)
  const masked = text.replace(QUOTED, '"?"').replace(UUID, '#').replace(HEX, '#').replace(NUMBER, '#')
  return hash64(`${name}\n${masked}`)
}

/** Two FNV-1a hashes with different starts, each stirred at its end. */
function hash64(text: string): string {
  let one = 0x811c9dc5
  let two = 0x9747b28c
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    one = Math.imul(one ^ unit, 0x01000193)
    two = Math.imul(two ^ unit, 0x5bd1e995) + index
  }
  return hex(stir(one ^ text.length)) + hex(stir(two ^ one))
}

function stir(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

const hex = (hash: number): string => hash.toString(16).padStart(8, '0')
