import { askedOf, type Facts, type JobFacts, startsOf } from './facts.ts'
import type { Report } from './verdict.ts'
import { msOf } from './views.ts'

/** I11: no run starts before the time that was asked for, nor before the one that its job was seen waiting for. */
export function checkRunAt(facts: Facts, report: Report): void {
  for (const job of facts.jobs.values()) {
    checkAsked(facts, job, report)
    checkSeen(facts, job, report)
  }
}

/** A person's wish that it run now, sent before this moment, sets the time aside. */
const isUrged = ({ acts }: JobFacts, at: number): boolean =>
  acts.some(({ sent }) => (sent.act === 'run' || sent.act === 'retry') && sent.at <= at)

function checkAsked({ clocks }: Facts, job: JobFacts, report: Report): void {
  const asked = askedOf(job)
  const sent = job.wish?.asks[0]?.sent
  if (!asked || !sent || (asked.delayMs === undefined && asked.runAt === undefined)) return
  for (const { start } of startsOf(job)) {
    if (isUrged(job, start.at)) continue
    // The delay counts from the statement, which came after the request: both by one clock, so no tolerance.
    const earlyMs =
      asked.delayMs === undefined ? msOf(asked.runAt!) - clocks.wallAt(start.at) : sent.at + asked.delayMs - start.at
    if (earlyMs <= 0) continue
    report('I11', {
      job: job.id,
      sentence: `Token ${start.token} started ${Math.ceil(earlyMs)} ms before the time that was asked for.`,
      events: [sent, start],
    })
    return
  }
}

function checkSeen({ clocks }: Facts, job: JobFacts, report: Report): void {
  const waiting = job.views.filter(({ job: { state } }) => state === 'scheduled' || state === 'retrying')
  if (waiting.length === 0) return
  const starts = startsOf(job)
  for (const view of waiting) {
    for (const { token, start } of starts) {
      // Its next run has a higher number; a late line of an earlier one does not.
      if (start.at <= view.at || start.attempt <= view.job.attempt || isUrged(job, start.at)) continue
      const earlyMs = msOf(view.job.run_at) - clocks.wallAt(start.at)
      if (earlyMs <= 0) continue
      report('I11', {
        job: job.id,
        sentence: `Token ${token} started ${Math.ceil(earlyMs)} ms before ${view.job.run_at}, for which it was ${view.job.state}.`,
        events: [view, start],
      })
      return
    }
  }
}
