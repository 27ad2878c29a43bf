import type { Clock, HistoryEvent, Probe } from '../history.ts'

export interface Clocks {
  /** The latest that the wall clock (which is the database's) can have shown at this moment; infinite when nobody told the time. */
  wallAt(at: number): number
  /** The earliest. */
  wallFrom(at: number): number
}

/**
 * Each reading of the wall clock was made before its event was written: the difference to the event's own time is never
 * more than the true one. Of many the largest is nearest. What it may still be short of: a millisecond that `Date.now`
 * cuts off, and the moment between the two readings, for which another is allowed.
 */
const SHORT_BY_MS = 2

export function clocksOf(clocks: readonly (HistoryEvent & Clock)[], probes: readonly (HistoryEvent & Probe)[]): Clocks {
  const read = clocks.map(({ at, wallMs }) => wallMs - at)
  const least = Math.min(...read)
  let offset = Math.max(...read)
  for (const { at, databaseMs } of probes) if (databaseMs !== undefined) offset = Math.max(offset, databaseMs - at)
  return {
    wallAt: (at) => (offset === -Infinity ? Infinity : at + offset + SHORT_BY_MS),
    wallFrom: (at) => (least === Infinity ? -Infinity : at + least - SHORT_BY_MS),
  }
}
