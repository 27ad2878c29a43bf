import type { Facts } from './facts.ts'
import { covered, mergeSpans, type Span } from './spans.ts'
import type { Limits, Report } from './verdict.ts'

/** Without an answer for so long the database counts as away, whether a probe said so or none came through. */
const SILENCE_MS = 1_000
const PASS_MS = 1_000

/**
 * I13: nothing is running whose lease ended longer ago than recovery needs to come by. The time does not count in which
 * the database does not answer, somebody else holds the rows or the product cannot get at them, nor the interval after
 * it, within which recovery looks again.
 */
export function checkOverdue(facts: Facts, { recoveryMs, passMs = PASS_MS }: Limits, report: Report): void {
  const excused = mergeSpans(
    [...silences(facts), ...hindrances(facts)].map(([from, to]): Span => [from, to + recoveryMs]),
  )
  const told = new Set<string>()
  for (const event of facts.of('overdue')) {
    for (const { job, token, ms } of event.jobs) {
      if (ms <= recoveryMs + passMs) continue
      const countedMs = ms - covered(excused, [event.at - ms, event.at])
      if (countedMs <= recoveryMs + passMs || told.has(`${job} ${token}`)) continue
      told.add(`${job} ${token}`)
      report('I13', {
        job,
        sentence: `Token ${token} is running ${Math.round(countedMs)} ms after its lease ended, not counting hindrances.`,
        events: [event],
      })
    }
  }
}

function silences(facts: Facts): Span[] {
  const spans: Span[] = []
  let answeredAt = -Infinity
  let failed = false
  for (const { at, ok } of facts.of('probe')) {
    if (!ok) {
      failed = true
      continue
    }
    if (failed || at - answeredAt > SILENCE_MS) spans.push([answeredAt, at])
    answeredAt = at
    failed = false
  }
  spans.push([failed ? answeredAt : answeredAt + SILENCE_MS, Infinity])
  return spans
}

function hindrances(facts: Facts): Span[] {
  const ends = new Map(facts.of('fault_ended').map(({ n, at }) => [n, at]))
  return facts
    .of('fault_started')
    .filter(({ locksRows, hinders, skipped }) => (locksRows || hinders) && skipped === undefined)
    .map(({ n, at }): Span => [at, ends.get(n) ?? Infinity])
}
