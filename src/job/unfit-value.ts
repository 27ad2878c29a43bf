import type { Problem } from '../errors.ts'
import { toJobError } from './job-error.ts'
import { MAX_JSON_DEPTH } from './json-check.ts'
import { formatPath, joinPath } from './json-path.ts'
import { cutText } from './text.ts'
import { whyUnfit } from './unfit.ts'

/** Of what a getter or `toJSON` threw, so much is told. */
const MAX_TOLD_BYTES = 200
/** Of a value that is not the same at each look, there may be no end. */
const MAX_LOOKED_AT = 2_000_000

interface Level {
  value: object
  /** Undefined for an array. */
  names: string[] | undefined
  length: number
  index: number
}

/** The first part of a value that kept JSON from being made of it, looked for in the order in which JSON goes. Never throws. */
export function findUnfit(root: unknown, base: string): Problem {
  const levels: Level[] = []
  const ancestors = new Set<object>()
  const enter = (value: object) => {
    const names = Array.isArray(value) ? undefined : Object.keys(value)
    levels.push({ value, names, length: names ? names.length : (value as unknown[]).length, index: -1 })
    ancestors.add(value)
  }
  let message = look(() => root, '', enter, ancestors)
  for (let left = MAX_LOOKED_AT; message === undefined && levels.length > 0; left--) {
    if (left === 0) return { path: base, message: 'holds too many values' }
    const level = levels.at(-1)!
    const { value } = level
    if (++level.index >= level.length) {
      levels.pop()
      ancestors.delete(value)
      continue
    }
    const step = stepOf(level)
    message = look(() => (value as Record<string | number, unknown>)[step], String(step), enter, ancestors)
  }
  const path = message === undefined ? '' : formatPath(levels.map(stepOf))
  return { path: joinPath(base, path), message: message ?? 'must be a JSON value' }
}

const stepOf = ({ names, index }: Level): string | number => (names ? names[index]! : index)

/** Says what is wrong with one value, or enters it when things lie inside. */
function look(
  read: () => unknown,
  key: string,
  enter: (value: object) => void,
  ancestors: ReadonlySet<object>,
): string | undefined {
  try {
    const given = read()
    const value = withoutToJson(given, key)
    if (given instanceof Date && value === null) return 'is an invalid Date'
    const why = whyUnfit(value)
    if (why !== undefined || typeof value !== 'object' || value === null) return why
    if (ancestors.has(value)) return 'is circular: it lies inside of itself'
    if (ancestors.size >= MAX_JSON_DEPTH) return `arrays and objects may lie ${MAX_JSON_DEPTH} deep in each other`
    enter(value)
    return undefined
  } catch (error) {
    return `cannot be read: ${cutText(toJobError(error).message, MAX_TOLD_BYTES).text}`
  }
}

function withoutToJson(value: unknown, key: string): unknown {
  if (value === null || (typeof value !== 'object' && typeof value !== 'bigint')) return value
  const { toJSON } = value as { toJSON?: unknown }
  return typeof toJSON === 'function' ? (toJSON.call(value, key) as unknown) : value
}
