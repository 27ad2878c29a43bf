import type { Instant } from './job.ts'

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/
const POSTGRES = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?\+00(?::00)?$/

const MAX_OFFSET_MINUTES = 14 * 60

/** Ends an error message about a refused instant. */
export const INSTANT_HELP =
  'an instant is RFC 3339 with seconds and an offset, such as 2027-06-01T12:00:00Z or 2027-06-01T14:00:00+02:00'

/**
 * The instant that an RFC 3339 text names, in UTC to the microsecond; undefined for anything else and for an instant
 * outside the years 1 to 9999. More than six digits of fraction are rounded up: a job is never earlier than asked.
 */
export function parseInstant(text: unknown): Instant | undefined {
  if (typeof text !== 'string') return undefined
  const match = RFC3339.exec(text)
  if (!match) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined
  if (hour > 23 || minute > 59 || second > 59) return undefined
  const offsetMinutes = Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0)
  if (offsetMinutes > MAX_OFFSET_MINUTES || Number(match[10] ?? 0) > 59) return undefined

  const fraction = match[7] ?? ''
  const roundUp = /[1-9]/.test(fraction.slice(6)) ? 1 : 0
  const micros = Number(fraction.slice(0, 6).padEnd(6, '0')) + roundUp
  const carry = micros === 1_000_000 ? 1 : 0
  const east = match[8] === '-' ? -offsetMinutes : offsetMinutes

  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day) // Date.UTC would take year 50 for 1950
  date.setUTCHours(hour, minute - east, second + carry)
  return instantText(date, carry ? 0 : micros)
}

/**
 * The instant in a `timestamptz` as PostgreSQL prints it, as text or inside JSON, in a session whose zone is UTC.
 *
 * @throws {RangeError} `infinity`, a year beyond 9999 or before Christ, another zone: nothing that ForgeQ stores
 */
export function instantFromPostgres(text: string): Instant {
  const match = POSTGRES.exec(text)
  if (!match) throw new RangeError(`not a timestamp of a UTC session: ${text.slice(0, 64)}`)
  return `${match[1]}T${match[2]}.${(match[3] ?? '').padEnd(6, '0')}Z`
}

/**
 * The instant so many milliseconds after 1970; a fraction of one is rounded up.
 *
 * @throws {RangeError} outside the years 1 to 9999
 */
export function instantFromMs(ms: number): Instant {
  const instant = instantText(new Date(Math.ceil(ms)), undefined)
  if (instant === undefined) throw new RangeError(`${ms} ms is outside the years 1 to 9999`)
  return instant
}

/** Milliseconds since 1970 of an instant; its microseconds are cut off. */
export const msFromInstant = (instant: Instant): number => Date.parse(`${instant.slice(0, 23)}Z`)

function instantText(date: Date, micros: number | undefined): Instant | undefined {
  const year = date.getUTCFullYear()
  if (!(year >= 1 && year <= 9999)) return undefined // also when the date is not one
  const text = date.toISOString()
  return micros === undefined ? `${text.slice(0, 23)}000Z` : `${text.slice(0, 19)}.${String(micros).padStart(6, '0')}Z`
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28
  return [4, 6, 9, 11].includes(month) ? 30 : 31
}
