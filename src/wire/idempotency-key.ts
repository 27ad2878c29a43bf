import { isKey } from '../job/name.ts'

const QUOTED = /^"((?:[^"\\]|\\["\\])*)"$/

/** The key in an `Idempotency-Key` header, plain or as a quoted string; undefined when it cannot be a key. */
export function parseIdempotencyKey(value: string): string | undefined {
  const trimmed = value.trim()
  if (!trimmed.startsWith('"')) return isKey(trimmed) ? trimmed : undefined
  const key = QUOTED.exec(trimmed)?.[1]?.replaceAll(/\\(["\\])/g, '$1')
  return isKey(key) ? key : undefined
}
