import type { Instant } from '../job/job.ts'

/** From microseconds since 1970: what is read through a caller's connection, whose time format is not ours. */
export function instantFromMicros(microseconds: string | number): Instant {
  const micros = BigInt(microseconds)
  const second = micros / 1_000_000n - (micros % 1_000_000n < 0n ? 1n : 0n)
  const fraction = micros - second * 1_000_000n
  return `${new Date(Number(second) * 1000).toISOString().slice(0, 19)}.${String(fraction).padStart(6, '0')}Z`
}
