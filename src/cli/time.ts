import { msFromInstant } from '../job/instant.ts'
import type { Instant } from '../job/job.ts'

const STEPS: [number, string][] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
]

/** A span for people: `3 min`, `1.2 s`, `40 ms`. */
export function span(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 10_000) return `${(ms / 1_000).toFixed(1)} s`
  const [unitMs, unit] = STEPS.find(([unitMs]) => ms >= unitMs)!
  return `${Math.floor(ms / unitMs)} ${unit}`
}

/** How long ago an instant was, or in how long it comes. */
export function ago(instant: Instant, nowMs = Date.now()): string {
  const ms = nowMs - msFromInstant(instant)
  if (Math.abs(ms) < 1_000) return 'now'
  return ms > 0 ? `${span(ms)} ago` : `in ${span(-ms)}`
}

/** The instant to the second with how far it is, for a page about one thing. */
export const exactly = (instant: Instant): string => `${instant.slice(0, 19)}Z (${ago(instant)})`
