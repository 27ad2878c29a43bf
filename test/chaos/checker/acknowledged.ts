import { askedOf, type Facts, type JobFacts, type Wish } from './facts.ts'
import type { Limits, Report } from './verdict.ts'
import { isFinal, msOf } from './views.ts'

/** I1: what was acknowledged is there at the end, is final, and has become so in its time. */
export function checkAcknowledged(facts: Facts, limits: Limits, report: Report): void {
  for (const job of facts.jobs.values()) {
    const [first] = job.acknowledged
    if (!first) continue
    const events = [first.answered, ...(job.exported ? [job.exported] : [])]
    const tell = (sentence: string) => report('I1', { job: job.id, sentence, events })
    if (!job.exported) tell('It was acknowledged and is not there at the end.')
    else if (!isFinal(job.exported.job)) tell(`It was acknowledged and is ${job.exported.job.state} at the end.`)
    else {
      const lateMs = msOf(job.exported.job.finished_at!) - facts.clocks.wallAt(dueAt(facts, job, limits))
      if (lateMs > 0) tell(`It became final ${Math.ceil(lateMs)} ms too late after everything was healed.`)
    }
  }
}

/** By when a job must be final: what was asked for after the healing, or for a later time, has its time from there. */
function dueAt({ healedAt, clocks }: Facts, job: JobFacts, { leaseMs, longestBackoffMs }: Limits): number {
  if (healedAt === undefined) return Infinity
  const asked = askedOf(job)
  const acknowledgedAt = job.acknowledged.at(-1)!.answered.at
  const actedAt = Math.max(0, ...job.acts.map(({ sent, answered }) => answered?.at ?? sent.at))
  const runAt = asked?.runAt === undefined ? 0 : msOf(asked.runAt) - (clocks.wallAt(healedAt) - healedAt)
  const from = Math.max(healedAt, acknowledgedAt + (asked?.delayMs ?? 0), actedAt, runAt)
  return from + 3 * leaseMs + longestBackoffMs
}

const wasRefused = ({ asks }: Wish): boolean => asks.every(({ answered }) => answered?.answer === 'refused')

/** I3: what was refused each time that it was asked for is not there. */
export function checkRefused({ wishes, jobs }: Facts, report: Report): void {
  for (const wish of wishes) {
    if (!wasRefused(wish)) continue
    for (const id of wish.jobs) {
      const job = jobs.get(id)!
      const runs = [...job.runs.values()].flatMap(({ starts }) => starts)
      if (!job.exported && runs.length === 0) continue
      const events = [...wish.asks.map(({ answered }) => answered!), ...(job.exported ? [job.exported] : runs)]
      report('I3', { job: id, sentence: `The enqueue of ${wish.name} was refused, and its job exists.`, events })
    }
  }
}
