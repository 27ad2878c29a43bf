import type { HistoryEvent } from '../history.ts'
import type { Facts, JobFacts, Wish } from './facts.ts'
import type { Report } from './verdict.ts'

/** I2: however often a key or an id is asked for, one job comes of it, and it is made once. */
export function checkNames({ wishes, jobs }: Facts, report: Report): void {
  for (const wish of wishes) {
    if (!wish.named) continue
    const there = [...wish.jobs].map((id) => jobs.get(id)!).filter((job) => job.exported || job.acknowledged.length > 0)
    if (there.length > 1)
      report('I2', {
        sentence: `${wish.name} has ${there.length} jobs: ${there.map(({ id }) => id).join(', ')}.`,
        events: there.flatMap(eventsOf),
      })
    const { id, key } = wish.asks[0]!.sent.jobs[wish.asks[0]!.n]!
    const other = key === undefined && id !== undefined ? there.find((job) => job.id !== id) : undefined
    if (other && there.length === 1)
      report('I2', { job: other.id, sentence: `It was asked for as ${id}.`, events: eventsOf(other) })
    const made = there.flatMap(({ acknowledged }) => acknowledged.filter(({ created }) => created))
    if (made.length > 1 && there.length === 1)
      report('I2', {
        job: there[0]!.id,
        sentence: `${wish.name} was answered ${made.length} times with a job made just then.`,
        events: made.map(({ answered }) => answered),
      })
  }
}

/** I4: each job and each run goes back to a wish, and a wish without a name has one job. */
export function checkAsked(facts: Facts, report: Report): void {
  const { wishes, jobs } = facts
  // Where payloads do not say whose they are, each unanswered wish without a name accounts for one job.
  let unaccounted = wishes.filter(isUnknown).length
  for (const job of jobs.values()) {
    const runs = [...job.runs.values()].flatMap(({ starts }) => starts)
    if (job.wish || (runs.length === 0 && !job.exported)) continue
    if (job.exported && !saysWhose(job) && unaccounted-- > 0) continue
    report('I4', {
      job: job.id,
      sentence: job.exported ? 'It exists, and nobody asked for it.' : 'It ran, was never asked for and is not there.',
      events: [...runs.slice(0, 1), ...(job.exported ? [job.exported] : [])],
    })
  }
  for (const { named, name, jobs: ids } of wishes) {
    const there = [...ids].map((id) => jobs.get(id)!).filter(({ exported }) => exported)
    if (named || there.length <= 1) continue
    report('I4', {
      job: there.at(-1)!.id,
      sentence: `${name} was asked for once and has ${there.length} jobs.`,
      events: there.flatMap(eventsOf),
    })
  }
}

const isUnknown = ({ named, asks, jobs }: Wish): boolean =>
  !named && jobs.size === 0 && (asks[0]!.answered?.answer ?? 'unknown') === 'unknown'

const saysWhose = ({ exported }: JobFacts): boolean => {
  const payload = exported?.job.payload
  return typeof payload === 'object' && payload !== null && ('label' in payload || 'call' in payload)
}

const eventsOf = ({ acknowledged, exported }: JobFacts): HistoryEvent[] => [
  ...acknowledged.map(({ answered }) => answered),
  ...(exported ? [exported] : []),
]
