import { checkJson, MAX_JSON_DEPTH } from './json-check.ts'
import { cleanText, utf8Bytes } from './text.ts'
import { shapeOf, UNREADABLE, type Shape } from './value-shape.ts'

export type ValueJson = { json: string; truncated?: false } | { json: string; truncated: true; originalBytes?: number }

/** A value beyond the limit is still measured for its marker, up to here: about a second of work. */
const MAX_MEASURED_BYTES = 128 * 1024 * 1024
const MAX_STEPS = 2_000_000
/** What a JSON string has to escape, or must not hold; most strings have nothing of it. */
const NOT_PLAIN = /[\0-\x1f"\\\ud800-\udfff]/

/**
 * What a handler returned, as JSON text that PostgreSQL takes for certain. Never throws and always ends: circular,
 * unreadable and too deep parts are named in their place (`"[circular]"`), NUL and lone surrogates become U+FFFD,
 * `undefined` is null. Beyond `maxBytes` (as stored) the whole is replaced by `{"forgeq_truncated": true, "bytes": n}`,
 * without `bytes` when it is so large that measuring it would hold up the worker.
 */
export function toJson(value: unknown, { maxBytes }: { maxBytes: number }): ValueJson {
  const writer = new ValueWriter(maxBytes)
  try {
    writer.write(value)
  } catch {
    return { json: JSON.stringify(UNREADABLE) } // out of stack or memory: each value's own throws are caught before
  }
  if (writer.stopped) return { json: '{"forgeq_truncated": true}', truncated: true }
  if (writer.measuredBytes !== undefined) return tooLarge(writer.measuredBytes)
  const { json } = writer
  if (checkJson(json, { maxBytes }).ok) return { json }
  const whole = checkJson(json, { maxBytes: Infinity })
  return whole.ok ? tooLarge(whole.storedBytes) : { json: JSON.stringify(UNREADABLE) }
}

function tooLarge(bytes: number): ValueJson {
  return { json: truncationMarker(bytes), truncated: true, originalBytes: bytes }
}

/** JSON text of what stands in the place of a result that takes too many bytes. */
export const truncationMarker = (bytes: number): string => `{"forgeq_truncated": true, "bytes": ${bytes}}`

/** An array or object that is being written. */
interface Level {
  shape: Extract<Shape, { kind: 'list' | 'record' }>
  index: number
  empty: boolean
  /** Keys that had to be changed, which could otherwise collide. */
  changedKeys: Set<string> | undefined
}

/** Writes a value up to the limit, and past it only counts. With a stack of its own, so that depth costs no call stack. */
class ValueWriter {
  json = ''
  /** Bytes of the whole, once it is too large to be kept. */
  measuredBytes: number | undefined
  /** True when it was given up before its end. */
  stopped = false
  readonly #maxBytes: number
  readonly #levels: Level[] = []
  readonly #ancestors = new Set<object>()
  #steps = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  write(root: unknown): void {
    this.#put(
      safeShape(() => root, ''),
      '',
    )
    for (let level = this.#levels.at(-1); level && !this.stopped; level = this.#levels.at(-1)) {
      this.#next(level)
      this.stopped = ++this.#steps > MAX_STEPS || (this.measuredBytes ?? 0) > MAX_MEASURED_BYTES
    }
  }

  #next(level: Level): void {
    const { shape } = level
    const index = level.index++
    if (index >= (shape.kind === 'list' ? shape.length : shape.keys.length)) return this.#close(shape)
    const comma = level.empty ? '' : ','
    if (shape.kind === 'list') {
      level.empty = false
      this.#put(
        safeShape(() => shape.at(index), String(index)),
        comma,
      )
      return
    }
    const key = shape.keys[index]!
    const member = safeShape(() => shape.get(key), key)
    if (member.kind === 'absent') return
    const clean = cleanText(key)
    if (clean !== key) {
      level.changedKeys ??= new Set(shape.keys)
      if (level.changedKeys.has(clean)) return // the key that is really so named stays
      level.changedKeys.add(clean)
    }
    level.empty = false
    this.#emit(comma)
    this.#emitString(clean)
    this.#put(member, ':')
  }

  #put(shape: Shape, before: string): void {
    this.#emit(before)
    switch (shape.kind) {
      case 'absent':
        return this.#emit('null')
      case 'text':
        return this.#emit(shape.json)
      case 'string':
        return this.#emitString(shape.value)
      default:
        this.#open(shape)
    }
  }

  #open(shape: Level['shape']): void {
    if (this.#ancestors.has(shape.value)) return this.#emit('"[circular]"')
    if (this.#levels.length >= MAX_JSON_DEPTH) return this.#emit('"[too deep]"')
    this.#ancestors.add(shape.value)
    this.#levels.push({ shape, index: 0, empty: true, changedKeys: undefined })
    this.#emit(shape.kind === 'list' ? '[' : '{')
  }

  #close(shape: Level['shape']): void {
    this.#levels.pop()
    this.#ancestors.delete(shape.value)
    this.#emit(shape.kind === 'list' ? ']' : '}')
  }

  #emitString(text: string): void {
    if (this.#over || text.length > this.#maxBytes) this.#count(quotedBytes(text))
    else this.#emit(NOT_PLAIN.test(text) ? JSON.stringify(cleanText(text)) : `"${text}"`)
  }

  #emit(json: string): void {
    if (this.#over) return this.#count(utf8Bytes(json))
    this.json += json
    // A code unit takes at least a byte: longer than this is too large for certain.
    if (this.json.length > this.#maxBytes) this.#count(0)
  }

  /** From here on nothing is kept any more. */
  #count(bytes: number): void {
    this.measuredBytes = (this.measuredBytes ?? utf8Bytes(this.json)) + bytes
    this.json = ''
  }

  get #over(): boolean {
    return this.measuredBytes !== undefined
  }
}

function safeShape(read: () => unknown, key: string): Shape {
  try {
    return shapeOf(read(), key)
  } catch {
    return { kind: 'string', value: UNREADABLE }
  }
}

/** Bytes of a text as a JSON string, without making one of a text that may be half a gigabyte. */
function quotedBytes(text: string): number {
  let bytes = utf8Bytes(text) + 2
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit === 0x22 || unit === 0x5c) bytes += 1
    else if (unit === 0) bytes += 2 // it becomes U+FFFD
    else if (unit < 0x20) bytes += unit >= 8 && unit <= 13 && unit !== 11 ? 1 : 5
  }
  return bytes
}
