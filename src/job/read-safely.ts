/** A property of anything at all; undefined when it has none or reading it throws (a getter, a proxy). */
export function readSafely(value: unknown, key: PropertyKey): unknown {
  try {
    return (value as Record<PropertyKey, unknown> | null | undefined)?.[key]
  } catch {
    return undefined
  }
}

/** The value as a string; '' when it has no text form or making it throws. */
export function textSafely(value: unknown): string {
  try {
    return String(value)
  } catch {
    return ''
  }
}
