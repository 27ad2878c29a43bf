import { checkJson } from './json-check.ts'
import { MAX_NUMBER_DIGITS } from './json-number.ts'

/** What stands for a value that cannot be read: a getter, a `toJSON` or a proxy that throws. */
export const UNREADABLE = '[unreadable]'

/** A value as JSON sees it. */
export type Shape =
  | { kind: 'absent' }
  | { kind: 'text'; json: string }
  | { kind: 'string'; value: string }
  | { kind: 'list'; value: object; length: number; at(index: number): unknown }
  | { kind: 'record'; value: object; keys: string[]; get(key: string): unknown }

const ABSENT: Shape = { kind: 'absent' }
const LARGEST_INTEGER = 10n ** BigInt(MAX_NUMBER_DIGITS)
// Turning more into decimal digits would take seconds.
const MAX_BIGINT_BITS = 400_000

/**
 * How JSON sees a value: as `JSON.stringify` does, but a BigInt is a number with all its digits (a string beyond 1,000
 * of them), a Map with text keys is an object and any other an array of pairs, a Set and a typed array are arrays, an
 * Error is its name, message, cause and own properties. Throws what a hostile value throws.
 */
export function shapeOf(given: unknown, key: string): Shape {
  const value = withoutToJson(given, key)
  switch (typeof value) {
    case 'string':
      return { kind: 'string', value }
    case 'number':
      return { kind: 'text', json: Number.isFinite(value) ? JSON.stringify(value) : 'null' }
    case 'boolean':
      return { kind: 'text', json: String(value) }
    case 'bigint':
      return bigintShape(value)
    case 'object':
      return value === null ? { kind: 'text', json: 'null' } : objectShape(value)
    default:
      return ABSENT
  }
}

function withoutToJson(value: unknown, key: string): unknown {
  if (value === null || (typeof value !== 'object' && typeof value !== 'bigint')) return value
  if (value instanceof Uint8Array) return value // a Buffer's own `toJSON` makes eight times as much of it
  const { toJSON } = value as { toJSON?: unknown }
  return typeof toJSON === 'function' ? (toJSON.call(value, key) as unknown) : value
}

function objectShape(value: object): Shape {
  if (Array.isArray(value)) return list(value, value)
  if (Object.getPrototypeOf(value) === Object.prototype) return record(value, value as Record<string, unknown>)
  if (value instanceof Map) return mapShape(value)
  // What it really holds: the iteration of a subclass may have no end.
  if (value instanceof Set) return list(value, [...Set.prototype.values.call(value)])
  if (value instanceof ArrayBuffer) return list(value, new Uint8Array(value))
  if (ArrayBuffer.isView(value)) return viewShape(value)
  if (value instanceof Error) return record(value, errorFields(value))
  const raw = rawJson(value)
  if (raw !== undefined) return { kind: 'text', json: raw }
  const primitive = unboxed(value)
  return typeof primitive === 'object' ? record(value, value as Record<string, unknown>) : shapeOf(primitive, '')
}

function mapShape(value: Map<unknown, unknown>): Shape {
  const keys = [...Map.prototype.keys.call(value)] as unknown[]
  if (!keys.every((key) => typeof key === 'string')) return list(value, [...Map.prototype.entries.call(value)])
  return { kind: 'record', value, keys, get: (key) => Map.prototype.get.call(value, key) as unknown }
}

/** A Buffer keeps the form that Node gives it and reads back: `{"type":"Buffer","data":[…]}`. */
function viewShape(value: ArrayBufferView): Shape {
  if (value instanceof DataView) return list(value, new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
  if (!('toJSON' in value)) return list(value, value as unknown as ArrayLike<unknown>)
  const data = new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
  return record(value, { type: 'Buffer', data })
}

function errorFields(error: Error): Record<string, unknown> {
  const cause: object = error.cause === undefined ? {} : { cause: error.cause }
  return Object.assign({ name: error.name, message: error.message }, error as object, cause)
}

function bigintShape(value: bigint): Shape {
  if (value < LARGEST_INTEGER && value > -LARGEST_INTEGER) return { kind: 'text', json: value.toString() }
  const readable = BigInt.asIntN(MAX_BIGINT_BITS, value) === value
  return { kind: 'string', value: readable ? value.toString() : '[bigint too long]' }
}

/** Numbers with all their digits, from a Node that has `JSON.rawJSON`. */
function rawJson(value: object): string | undefined {
  const { isRawJSON } = JSON as { isRawJSON?: (this: void, value: unknown) => boolean }
  if (!isRawJSON?.(value)) return undefined
  const { rawJSON } = value as { rawJSON: string }
  return checkJson(rawJSON, { maxBytes: Infinity }).ok ? rawJSON : JSON.stringify(UNREADABLE)
}

/** What `new String`, `new Number` and `new Boolean` hold; any other object itself. */
function unboxed(value: object): unknown {
  const boxed = /^\[object (?:String|Number|Boolean)\]$/.test(Object.prototype.toString.call(value))
  return boxed ? value.valueOf() : value
}

function list(value: object, items: ArrayLike<unknown>): Shape {
  const length: unknown = items.length // of a proxy it may be anything
  return { kind: 'list', value, length: Math.max(0, Number(length) || 0), at: (index) => items[index] }
}

function record(value: object, fields: Record<string, unknown>): Shape {
  return { kind: 'record', value, keys: Object.keys(fields), get: (key) => fields[key] }
}
