import type { Instant } from '../job/job.ts'

/** From microseconds since 1970. */
export function instantFromMicros(micros: number): Instant {
  if (micros !== last.micros) last = { micros, instant: written(micros) }
  return last.instant
}

/** All the jobs of a bulk have one instant. */
let last = { micros: 0, instant: '1970-01-01T00:00:00.000000Z' }

function written(micros: number): Instant {
  const second = Math.floor(micros / 1e6)
  const fraction = String(micros - second * 1e6).padStart(6, '0')
  return `${new Date(second * 1000).toISOString().slice(0, 19)}.${fraction}Z`
}

/** From `date_part('epoch', …)`, a double that is exact to the microsecond; as text where a driver does not parse it. */
export const instantFromSeconds = (seconds: number | string): Instant =>
  instantFromMicros(Math.round(Number(seconds) * 1e6))
