import type { Problem } from '../errors.ts'

/**
 * A payload given as a value, as JSON text. What JSON has no word for is a problem and not silently dropped: the store
 * must hold what the caller meant. (`undefined` members are left out, as everybody expects.)
 */
export function toPayloadJson(
  payload: unknown,
): { text: string; problem?: never } | { problem: Problem; text?: never } {
  try {
    const text = JSON.stringify(payload, (key, value: unknown) => {
      if (typeof value === 'function' || typeof value === 'symbol')
        throw new TypeError(`${key || 'the value'} is a ${typeof value}`)
      if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`${key || 'the value'} is ${value}`)
      return value
    }) as string | undefined
    if (text === undefined) return { problem: { path: 'payload', message: 'must be a JSON value' } }
    return { text }
  } catch (error) {
    return {
      problem: {
        path: 'payload',
        message: `must be a JSON value: ${error instanceof Error ? error.message : 'it cannot be read'}`,
      },
    }
  }
}
