import { type Ask, askedOf, type Facts, type Wish } from './facts.ts'
import { judgedLooks } from './overdue.ts'
import { shareOfSeconds } from './spans.ts'
import type { Limits } from './verdict.ts'
import { attemptsOf, diedLost, msOf } from './views.ts'

/** What is reported and not judged. */
export interface Figures {
  seconds: number
  acknowledged: number
  /** Jobs acknowledged, by what their handler does. */
  byWork: { [work: string]: number }
  /** Jobs at the end, by state. */
  finalStates: { [state: string]: number }
  runs: number
  lostRuns: number
  refusedOutcomes: number
  unknownEnqueues: { stored: number; notStored: number }
  /** Faults made, and those that the machine could not make, by kind. */
  faults: { [fault: string]: number }
  skipped: { [fault: string]: number }
  kills: { [what: string]: number }
  /** From the kill of a worker to the next run of each job that was running in it. */
  killToNextRunMs?: { n: number; p50: number; p99: number; max: number }
  /** From the healing to when the last job became final; 0: all were before. */
  healedToLastFinalMs?: number
  /** Share of the seconds before the healing in which an enqueue was acknowledged, a run ended well. */
  secondsWith: { acknowledgement: number; run: number }
  /**
   * What the observer saw; of the seconds from the first enqueue to the healing the share in which it looked for overdue
   * leases, and in which it did so while nothing excused one.
   */
  observed: { samples: number; answeredProbes: number; looks: number; judgedLooks: number }
}

export function figuresOf(facts: Facts, limits: Limits): Figures {
  const { events, jobs, healedAt } = facts
  const all = [...jobs.values()]
  const acknowledged = all.filter((job) => job.acknowledged.length > 0)
  const from = events[0]?.at ?? 0
  const until = healedAt ?? events.at(-1)?.at ?? 0
  const made = facts.of('fault_started')
  const waits = waitsAfterKills(facts)
  const busyFrom = facts.of('enqueue_sent')[0]?.at ?? from
  return {
    seconds: Math.round((until - from) / 1000),
    acknowledged: acknowledged.length,
    byWork: tally(acknowledged.map((job) => workName(askedOf(job)?.work))),
    finalStates: tally(all.flatMap(({ exported }) => (exported ? [exported.job.state] : []))),
    runs: facts.of('run_started').length,
    lostRuns: all.reduce((n, { exported }) => n + (exported ? lostRuns(exported.job) : 0), 0),
    refusedOutcomes: facts.of('refused_outcome').length,
    unknownEnqueues: unknownEnqueues(facts),
    faults: tally(made.flatMap(({ fault, skipped }) => (skipped === undefined ? [fault] : []))),
    skipped: tally(made.flatMap(({ fault, skipped }) => (skipped === undefined ? [] : [fault]))),
    kills: tally(facts.of('killed').map(({ what }) => what)),
    ...(waits.length > 0 && { killToNextRunMs: percentiles(waits) }),
    ...lastFinal(facts),
    secondsWith: {
      acknowledgement: shareOfSeconds(
        facts.of('enqueue_answered').filter(({ answer }) => answer === 'acknowledged'),
        from,
        until,
      ),
      run: shareOfSeconds(
        facts.of('run_ended').filter(({ how }) => how === 'returned' || how === 'completed_tx'),
        from,
        until,
      ),
    },
    observed: {
      samples: facts.of('sampled').length,
      answeredProbes: facts.of('probe').filter(({ ok }) => ok).length,
      looks: shareOfSeconds(facts.of('overdue'), busyFrom, until),
      judgedLooks: shareOfSeconds(judgedLooks(facts, limits), busyFrom, until),
    },
  }
}

function tally(names: readonly string[]): { [name: string]: number } {
  const counts: { [name: string]: number } = {}
  for (const name of names.toSorted()) counts[name] = (counts[name] ?? 0) + 1
  return counts
}

const workName = (work: { do: string; tx?: boolean } | undefined): string =>
  work ? `${work.do}${work.tx ? ' through a transaction' : ''}` : 'not known'

const lostRuns = (job: Parameters<typeof attemptsOf>[0]): number =>
  attemptsOf(job).filter(({ outcome }) => outcome === 'lost').length + (diedLost(job) ? 1 : 0)

/** Of the enqueues that came to no answer, how many had stored their job. */
function unknownEnqueues({ wishes, jobs }: Facts): Figures['unknownEnqueues'] {
  const counts = { stored: 0, notStored: 0 }
  for (const wish of wishes) {
    const unknown = wish.asks.filter(isUnknown).length
    if (unknown === 0) continue
    // A job is made once: by one that was acknowledged as having made it, or else by one that nobody heard of.
    const stored = [...wish.jobs].some((id) => jobs.get(id)?.exported) && !isMadeKnown(wish, jobs)
    counts.stored += stored ? 1 : 0
    counts.notStored += unknown - (stored ? 1 : 0)
  }
  return counts
}

const isUnknown = ({ answered }: Ask): boolean => (answered?.answer ?? 'unknown') === 'unknown'

const isMadeKnown = ({ jobs: ids }: Wish, jobs: Facts['jobs']): boolean =>
  [...ids].some((id) => jobs.get(id)?.acknowledged.some(({ created }) => created))

function waitsAfterKills(facts: Facts): number[] {
  const waits: number[] = []
  for (const { at, what, busy } of facts.of('killed')) {
    if (what !== 'worker') continue
    for (const id of busy) {
      const starts = [...(facts.jobs.get(id)?.runs.values() ?? [])].flatMap((run) =>
        run.starts.map((start) => start.at),
      )
      const next = Math.min(...starts.filter((start) => start > at))
      if (next !== Infinity) waits.push(next - at)
    }
  }
  return waits.sort((a, b) => a - b)
}

function lastFinal({ jobs, healedAt, clocks }: Facts): Pick<Figures, 'healedToLastFinalMs'> {
  const ends = [...jobs.values()].flatMap(({ exported }) => exported?.job.finished_at ?? []).map(msOf)
  if (healedAt === undefined || ends.length === 0) return {}
  // One by one: of a long run there are more than a call takes arguments.
  const last = ends.reduce((latest, end) => Math.max(latest, end))
  return { healedToLastFinalMs: Math.max(0, Math.round(last - clocks.wallAt(healedAt))) }
}

function percentiles(sorted: readonly number[]): NonNullable<Figures['killToNextRunMs']> {
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!)
  return { n: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) }
}
