import { MAX_NUMBER_DIGITS, numberForm } from './json-number.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Why a text is refused; thrown inside the check only, which adds the path. */
export class JsonRefusal extends Error {
  readonly reason: 'syntax' | 'value'

  constructor(reason: 'syntax' | 'value', message: string) {
    super(message)
    this.reason = reason
  }
}

/**
 * Reads JSON token by token, refuses what `jsonb` cannot hold and counts in `storedBytes` what `jsonb::text` prints
 * for each token. The hot path of every enqueue: it builds nothing and looks at each code unit once.
 */
export class JsonScan {
  readonly text: string
  at = 0
  storedBytes = 0

  constructor(text: string) {
    this.text = text
  }

  /** Skips white space and returns the next code unit, NaN at the end. */
  peek(): number {
    for (;;) {
      const unit = this.text.charCodeAt(this.at)
      if (unit > 0x20 || (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09)) return unit
      this.at++
    }
  }

  /** Reads the string that begins here; returns whether it holds escapes. */
  string(): boolean {
    const { text } = this
    const start = this.at
    let index = start + 1
    let extraBytes = 0 // what the stored text takes beyond one byte for each code unit read
    let escaped = false
    for (;;) {
      const unit = text.charCodeAt(index)
      if (unit === QUOTE) break
      if (unit >= 0x20 && unit < 0x80 && unit !== BACKSLASH) index++
      else if (unit === BACKSLASH) {
        const { length, bytes } = this.#escape(index)
        escaped = true
        extraBytes += bytes - length
        index += length
      } else if (unit >= 0x80) {
        const length = unit >= 0xd800 && unit < 0xe000 ? this.#pair(index) : 1
        extraBytes += unit < 0x800 ? 1 : 2
        index += length
      } else {
        this.at = index
        throw this.unexpected()
      }
    }
    this.at = index + 1
    this.storedBytes += this.at - start + extraBytes
    return escaped
  }

  /** Reads the number that begins here. */
  number(): void {
    const { text, at: start } = this
    const whole = text.charCodeAt(start) === 0x2d ? start + 1 : start
    const startsWithZero = text.charCodeAt(whole) === 0x30
    const wholeEnd = startsWithZero ? whole + 1 : this.#digits(whole)
    const fractionEnd = text.charCodeAt(wholeEnd) === 0x2e ? this.#digits(wholeEnd + 1) : wholeEnd
    let end = fractionEnd
    if ((text.charCodeAt(end) | 0x20) === 0x65) {
      const sign = text.charCodeAt(end + 1)
      end = this.#digits(sign === 0x2b || sign === 0x2d ? end + 2 : end + 1)
    }
    this.at = end

    // Nearly every number is short and stored as it stands.
    if (end === fractionEnd && end - start <= MAX_NUMBER_DIGITS && !(startsWithZero && whole > start)) {
      this.storedBytes += end - start
      return
    }
    const form = numberForm(text.slice(start, end))
    if (form.digits > MAX_NUMBER_DIGITS) {
      throw new JsonRefusal('value', `a number may have ${MAX_NUMBER_DIGITS} digits when written out in full`)
    }
    this.storedBytes += form.length
  }

  /** Reads the word `true`, `false` or `null`. */
  word(word: string): void {
    if (!this.text.startsWith(word, this.at)) throw this.unexpected()
    this.at += word.length
    this.storedBytes += word.length
  }

  /** The refusal of the character that stands here. */
  unexpected(): JsonRefusal {
    const character = this.text.codePointAt(this.at)
    if (character === undefined) return new JsonRefusal('syntax', 'the JSON text ends too early')
    const shown = JSON.stringify(String.fromCodePoint(character))
    return new JsonRefusal('syntax', `unexpected ${shown} at position ${this.at} of the JSON text`)
  }

  /** End of the one or more digits that begin at `index`. */
  #digits(index: number): number {
    let end = index
    while (isDigit(this.text.charCodeAt(end))) end++
    if (end > index) return end
    this.at = end
    throw this.unexpected()
  }

  /** Code units of an escape and the bytes it is stored in. */
  #escape(index: number): { length: number; bytes: number } {
    const letter = this.text[index + 1]
    if (letter === '/') return SLASH
    if (letter !== 'u') {
      if (letter !== undefined && '"\\bfnrt'.includes(letter)) return SHORT
      this.at = index + 1
      throw this.unexpected()
    }
    const code = this.#hex(index)
    if (code === 0) throw new JsonRefusal('value', 'PostgreSQL cannot store the character \\u0000')
    if (code >= 0xd800 && code < 0xe000) {
      const low = code < 0xdc00 && this.text.startsWith('\\u', index + 6) ? this.#hex(index + 6) : 0
      if (low < 0xdc00 || low >= 0xe000) throw loneSurrogate()
      return { length: 12, bytes: 4 }
    }
    return { length: 6, bytes: escapedBytes(code) }
  }

  #hex(index: number): number {
    const digits = this.text.slice(index + 2, index + 6)
    if (/^[0-9a-fA-F]{4}$/.test(digits)) return Number.parseInt(digits, 16)
    this.at = index
    throw new JsonRefusal('syntax', `\\u without four hexadecimal digits at position ${index} of the JSON text`)
  }

  #pair(index: number): number {
    const low = this.text.charCodeAt(index + 1)
    if (this.text.charCodeAt(index) >= 0xdc00 || !(low >= 0xdc00 && low < 0xe000)) throw loneSurrogate()
    return 2
  }
}

const SHORT = { length: 2, bytes: 2 }
const SLASH = { length: 2, bytes: 1 }

const isDigit = (unit: number): boolean => unit >= 0x30 && unit <= 0x39

const loneSurrogate = (): JsonRefusal =>
  new JsonRefusal('value', 'half of a surrogate pair is no character, so PostgreSQL cannot store it')

/** PostgreSQL escapes quote, backslash and controls only, five of them with a letter. */
function escapedBytes(code: number): number {
  if (code >= 0x80) return code < 0x800 ? 2 : 3
  if (code === QUOTE || code === BACKSLASH) return 2
  if (code >= 0x20) return 1
  return code === 8 || code === 9 || code === 10 || code === 12 || code === 13 ? 2 : 6
}
