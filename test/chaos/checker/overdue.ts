import type { Overdue } from '../history.ts'
import type { Facts, Seen } from './facts.ts'
import { covered, mergeSpans, type Span } from './spans.ts'
import type { Limits, Report } from './verdict.ts'

/** Without an answer for so long the database counts as away, whether a probe said so or none came through. */
const SILENCE_MS = 1_000
const PASS_MS = 1_000

/**
 * I13: nothing is running whose lease ended longer ago than recovery needs to come by. The time does not count in which
 * the database does not answer or the product as a whole cannot get at it, nor the interval after it, within which
 * recovery looks again. A row that somebody else holds is the observer's affair, who sees which it is.
 */
export function checkOverdue(facts: Facts, limits: Limits, report: Report): void {
  const { recoveryMs, passMs = PASS_MS } = limits
  const excused = excusedSpans(facts, limits)
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

/** Looks in which something that is overdue is the product's fault. */
export function judgedLooks(facts: Facts, limits: Limits): Seen<Overdue>[] {
  const excused = excusedSpans(facts, limits)
  return facts.of('overdue').filter(({ at }) => !excused.some(([from, to]) => from <= at && at < to))
}

const excusedSpans = (facts: Facts, { recoveryMs }: Limits): Span[] =>
  mergeSpans([...silences(facts), ...hindrances(facts)].map(([from, to]): Span => [from, to + recoveryMs]))

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
    .filter(({ hinders, skipped }) => hinders && skipped === undefined)
    .map(({ n, at }): Span => [at, ends.get(n) ?? Infinity])
}
