import type { Problem } from '../errors.ts'
import { whyUnfit } from './unfit.ts'
import { findUnfit } from './unfit-value.ts'

export type PayloadJson =
  | { text: string; problem?: never }
  | { problem: Problem; code: 'invalid_job' | 'payload_too_large'; text?: never }

/**
 * A payload given as a value, as JSON text. What JSON has no word for, or would silently make less of (a Map, a
 * Promise, bytes), is a problem with its path: the store must hold what the caller meant. (`undefined` members are left
 * out, as everybody expects.) Never throws; a value that is larger than `maxBytes` for certain is given up early.
 */
export function toPayloadJson(payload: unknown, { maxBytes }: { maxBytes: number }): PayloadJson {
  let left = maxBytes
  try {
    const text = JSON.stringify(payload, function (this: Record<string, unknown>, key, value: unknown) {
      if (whyUnfit(value) !== undefined) throw new TypeError()
      // An invalid Date has made a null of itself.
      if (value === null && this[key] instanceof Date) throw new TypeError()
      if ((left -= leastBytes(value)) < 0) throw new RangeError()
      return value
    }) as string | undefined
    if (text !== undefined) return { text }
  } catch {
    // What was thrown may be anything. The happy road keeps no account of where it is: that is looked for below.
    if (left < 0) return tooLarge(maxBytes)
  }
  return { problem: findUnfit(payload, 'payload'), code: 'invalid_job' }
}

/** What a value takes for certain, without what lies inside of it: an element has its comma, an absent member nothing. */
function leastBytes(value: unknown): number {
  if (value === undefined) return 0
  return typeof value === 'string' || Array.isArray(value) ? value.length + 1 : 1
}

const tooLarge = (maxBytes: number): PayloadJson => ({
  problem: { path: 'payload', message: `is too large: it takes more than ${maxBytes} bytes as JSON` },
  code: 'payload_too_large',
})
