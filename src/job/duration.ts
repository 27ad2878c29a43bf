const UNIT_MS = { w: 604_800_000, d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

const SIMPLE = /^(\d+)(ms|[smhdw])$/
const NUMBER = String.raw`(\d+(?:[.,]\d+)?)`
const ISO = new RegExp(`^P(?:${NUMBER}W)?(?:${NUMBER}D)?(?:T(?:${NUMBER}H)?(?:${NUMBER}M)?(?:${NUMBER}S)?)?$`)
const ISO_UNITS_MS = [UNIT_MS.w, UNIT_MS.d, UNIT_MS.h, UNIT_MS.m, UNIT_MS.s]

/** No duration needs more; it keeps a megabyte of digits away from the arithmetic. */
const MAX_LENGTH = 64

/** Ends an error message about a refused duration. */
export const DURATION_HELP =
  'a duration is a whole number with one unit (500ms, 30s, 5m, 2h, 1d, 1w) or ISO 8601 without years and months (PT0.5S, P1DT12H)'

/**
 * Milliseconds of a duration; undefined when the text is refused: a bare number, a sign, white space, several units
 * (`1h30m`), a fraction outside ISO 8601, a year or a month, anything finer than a millisecond or beyond 2^53.
 */
export function parseDuration(text: unknown): number | undefined {
  if (typeof text !== 'string' || text.length > MAX_LENGTH) return undefined
  const simple = SIMPLE.exec(text)
  if (simple) return safeMs(Number(simple[1]) * UNIT_MS[simple[2] as keyof typeof UNIT_MS])
  return parseIso(text)
}

/**
 * The shortest exact text of a duration, which `parseDuration` reads back: `90s`, `1h`, `1500ms`. A fraction of a
 * millisecond is rounded.
 *
 * @throws {RangeError} a negative or unsafe number
 */
export function formatDuration(ms: number): string {
  const whole = safeMs(Math.round(ms))
  if (whole === undefined) throw new RangeError(`${ms} is not a number of milliseconds`)
  if (whole === 0) return '0s'
  for (const [unit, unitMs] of Object.entries(UNIT_MS)) {
    if (whole % unitMs === 0) return `${whole / unitMs}${unit}`
  }
  return `${whole}ms`
}

function parseIso(text: string): number | undefined {
  const match = ISO.exec(text)
  if (!match || text.endsWith('T')) return undefined
  const parts = match.slice(1) as (string | undefined)[]
  const last = parts.findLastIndex((part) => part !== undefined)
  if (last === -1) return undefined
  let total = 0
  for (const [index, part] of parts.entries()) {
    if (part === undefined) continue
    const ms = multiply(part, ISO_UNITS_MS[index]!, index === last)
    if (ms === undefined) return undefined
    total += ms
  }
  return safeMs(total)
}

/** Exact: by way of whole numbers of any size, never of binary fractions. */
function multiply(decimal: string, unitMs: number, mayHaveFraction: boolean): number | undefined {
  const [whole = '', fraction = ''] = decimal.split(/[.,]/)
  if (fraction !== '' && !mayHaveFraction) return undefined
  const scale = 10n ** BigInt(fraction.length)
  const scaled = BigInt(whole + fraction) * BigInt(unitMs)
  return scaled % scale === 0n ? Number(scaled / scale) : undefined
}

const safeMs = (ms: number): number | undefined => (Number.isSafeInteger(ms) && ms >= 0 ? ms : undefined)
