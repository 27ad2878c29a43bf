import type { RunStarted } from '../history.ts'
import { type Facts, type JobFacts, type Seen, startsOf } from './facts.ts'
import type { Report } from './verdict.ts'
import { attemptsOf } from './views.ts'

/**
 * I5: no token is given twice, and a later claim's is higher. A start that is logged late is legal (its worker was
 * stopped between the claim and the handler), so the order of claims is taken from what cannot be late: from the numbers
 * of the runs (a claim raises the number by one, and what follows takes at most that one back), from the starts of one
 * process, and from what was seen of a job before.
 */
export function checkTokens({ jobs }: Facts, report: Report): void {
  for (const job of jobs.values()) {
    for (const { token, starts } of job.runs.values())
      if (starts.length > 1)
        report('I5', { job: job.id, sentence: `Token ${token} started ${starts.length} runs.`, events: starts })
    checkOrder(job, report)
    checkProcesses(job, report)
    checkViews(job, report)
    checkLooks(job, report)
  }
}

function checkOrder(job: JobFacts, report: Report): void {
  let before: ReturnType<typeof startsOf>[number] | undefined
  for (const next of startsOf(job)) {
    if (before && next.start.attempt < before.start.attempt)
      report('I5', {
        job: job.id,
        sentence: `Run ${next.start.attempt} has token ${next.token}, the later run ${before.start.attempt} only ${before.token}.`,
        events: [before.start, next.start],
      })
    if (!before || next.start.attempt >= before.start.attempt) before = next
  }
}

/** One process logs its starts in the order of its claims: what it has leased and not begun when a lease ends it never begins. */
function checkProcesses(job: JobFacts, report: Report): void {
  const before = new Map<string, Seen<RunStarted>>()
  const starts = [...job.runs.values()].flatMap((run) => run.starts).sort((a, b) => a.at - b.at)
  for (const start of starts) {
    const process = `${start.worker} ${start.pid}`
    const last = before.get(process)
    if (last && start.token < last.token) {
      report('I5', {
        job: job.id,
        sentence: `Token ${start.token} started behind token ${last.token} in the same process.`,
        events: [last, start],
      })
      return
    }
    before.set(process, start)
  }
}

/** A run that was not there at one look and is there at the next was claimed since, or was not noted before: its token is the newest. */
function checkLooks(job: JobFacts, report: Report): void {
  const seen = new Map<string, JobFacts['views'][number]>()
  for (const view of job.views) {
    const before = view.kind === 'exported' ? seen.values() : [seen.get(view.by)]
    for (const earlier of before) {
      if (!earlier) continue
      const known = new Set(attemptsOf(earlier.job).map(({ token }) => token))
      const newest = Math.max(...known)
      const back = attemptsOf(view.job).find(({ token }) => token < newest && !known.has(token))
      if (!back) continue
      report('I5', {
        job: job.id,
        sentence: `A run with token ${back.token} came to be seen after one with token ${newest}.`,
        events: [earlier, view],
      })
      return
    }
    seen.set(view.by, view)
  }
}

function checkViews(job: JobFacts, report: Report): void {
  for (const view of job.views) {
    const attempts = attemptsOf(view.job)
    const place = attempts.findIndex(({ token }, index) => index > 0 && token <= attempts[index - 1]!.token)
    if (place < 0) continue
    report('I5', {
      job: job.id,
      sentence: `A run with token ${attempts[place]!.token} stands behind one with token ${attempts[place - 1]!.token}.`,
      events: [view],
    })
    return
  }
}
