import { formatPath } from './json-path.ts'
import { JsonRefusal, JsonScan } from './json-scan.ts'

/**
 * How deep arrays and objects may lie in each other. PostgreSQL 18 with its default stack takes 16,000 levels, 9,000 in
 * a comparison; this leaves room for smaller stacks, and is twice what most other languages read back.
 */
export const MAX_JSON_DEPTH = 2_000

export interface JsonLimits {
  maxBytes: number
  maxDepth?: number
}

export type JsonCheck =
  | { ok: true; storedBytes: number }
  | { ok: false; path: string; message: string; reason: 'syntax' | 'value' | 'size' }

/** An array or object that is being read. */
interface Level {
  /** The keys read so far; undefined for an array. */
  keys: string[] | undefined
  keySet: Set<string> | undefined
  /** Where the check is: a key or an index, undefined while a key is read. */
  step: string | number | undefined
}

/** From here on a set is faster than a look at each key. */
const FEW_KEYS = 8

/**
 * Checks in one pass that PostgreSQL can hold the JSON text as `jsonb` and give it back within the limits:
 * `storedBytes` is the exact size of what it prints, in UTF-8. Refuses, with the path of the offending value, what is not
 * JSON, NUL, lone surrogates, numbers of more than 1,000 digits, duplicate keys and too deep nesting. Of several things
 * that are wrong it names the first.
 */
export function checkJson(text: string, { maxBytes, maxDepth = MAX_JSON_DEPTH }: JsonLimits): JsonCheck {
  const scan = new JsonScan(text)
  const levels: Level[] = []
  try {
    do {
      readValue(scan, levels, maxDepth)
      // The text may be many times the limit: no need to read it all.
      if (scan.storedBytes > maxBytes) return tooLarge(maxBytes)
    } while (findNext(scan, levels))
    return { ok: true, storedBytes: scan.storedBytes }
  } catch (error) {
    if (!(error instanceof JsonRefusal)) throw error
    return { ok: false, path: pathOf(levels), message: error.message, reason: error.reason }
  }
}

/** Reads one scalar, or enters arrays and objects down to the first scalar or empty one. */
function readValue(scan: JsonScan, levels: Level[], maxDepth: number): void {
  for (;;) {
    const unit = scan.peek()
    switch (unit) {
      case 0x22: // "
        scan.string()
        return
      case 0x7b: // {
      case 0x5b: // [
        if (levels.length >= maxDepth) {
          throw new JsonRefusal('value', `arrays and objects may lie ${maxDepth} deep in each other`)
        }
        scan.at++
        scan.storedBytes += 2 // with the bracket that closes it
        if (scan.peek() === unit + 2) {
          scan.at++
          return
        }
        levels.push({ keys: unit === 0x7b ? [] : undefined, keySet: undefined, step: 0 })
        if (unit === 0x7b) readKey(scan, levels.at(-1)!)
        break
      case 0x74:
        return scan.word('true')
      case 0x66:
        return scan.word('false')
      case 0x6e:
        return scan.word('null')
      default:
        if (unit !== 0x2d && !(unit >= 0x30 && unit <= 0x39)) throw scan.unexpected()
        return scan.number()
    }
  }
}

/** Leaves what ends here and goes to where the next value begins; false when the text has ended. */
function findNext(scan: JsonScan, levels: Level[]): boolean {
  for (let level = levels.at(-1); level; level = levels.at(-1)) {
    const unit = scan.peek()
    if (unit === 0x2c) {
      scan.at++
      scan.storedBytes += 2
      if (level.keys) readKey(scan, level)
      else level.step = (level.step as number) + 1
      return true
    }
    if (unit !== (level.keys ? 0x7d : 0x5d)) throw scan.unexpected()
    scan.at++
    levels.pop()
  }
  scan.peek()
  if (scan.at < scan.text.length) throw scan.unexpected()
  return false
}

/** Reads a key and its colon. */
function readKey(scan: JsonScan, level: Level): void {
  level.step = undefined
  if (scan.peek() !== 0x22) throw scan.unexpected()
  const start = scan.at
  const escaped = scan.string()
  const key = escaped
    ? (JSON.parse(scan.text.slice(start, scan.at)) as string)
    : scan.text.slice(start + 1, scan.at - 1)
  level.step = key
  if (isKnown(level, key)) throw new JsonRefusal('value', 'the same key stands twice in one object')
  level.keys!.push(key)
  if (scan.peek() !== 0x3a) throw scan.unexpected()
  scan.at++
  scan.storedBytes += 2
}

function isKnown(level: Level, key: string): boolean {
  const keys = level.keys!
  if (keys.length < FEW_KEYS) return keys.includes(key)
  level.keySet ??= new Set(keys)
  const { size } = level.keySet
  return level.keySet.add(key).size === size
}

function pathOf(levels: Level[]): string {
  return formatPath(levels.map(({ step }) => step).filter((step) => step !== undefined))
}

const tooLarge = (maxBytes: number): JsonCheck => ({
  ok: false,
  path: '',
  message: `the JSON takes more than ${maxBytes} bytes as PostgreSQL stores it`,
  reason: 'size',
})
