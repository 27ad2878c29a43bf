import type { HistoryEvent } from '../history.ts'
import { type Facts, type JobFacts, retriesOf, startsOf } from './facts.ts'
import type { Report } from './verdict.ts'
import { isFinal, lastRunOf } from './views.ts'

/** I10: who has seen a job final sees it so for ever, and it never runs again, unless a person retried it. */
export function checkFinalStates({ jobs }: Facts, report: Report): void {
  for (const job of jobs.values()) {
    const tell = (sentence: string, events: HistoryEvent[]) => report('I10', { job: job.id, sentence, events })
    checkEnds(job, tell)
    checkOrder(job, tell)
    checkRuns(job, tell)
  }
}

type Tell = (sentence: string, events: HistoryEvent[]) => void

/** Each life has one end, at one moment. */
function checkEnds(job: JobFacts, tell: Tell): void {
  const ends = new Map<string, HistoryEvent>()
  for (const view of job.views)
    if (isFinal(view.job)) {
      const end = `${view.job.state} at ${view.job.finished_at}`
      if (!ends.has(end)) ends.set(end, view)
    }
  const lives = 1 + retriesOf(job).length
  if (ends.size > lives)
    tell(
      `It ended ${ends.size} times in ${lives === 1 ? 'one life' : `${lives} lives`}: ${[...ends.keys()].join(', ')}.`,
      [...ends.values()],
    )
}

/** Looks of one observer follow each other; those of several may cross on their way. The export comes after all. */
function checkOrder(job: JobFacts, tell: Tell): void {
  const finals = new Map<string, JobFacts['views'][number]>()
  for (const view of job.views) {
    const before = view.kind === 'exported' ? finals.values().next().value : finals.get(view.by)
    if (!isFinal(view.job) && before && !retriedBefore(job, view.at)) {
      tell(`It was ${before.job.state}, then ${view.job.state}.`, [before, view])
      return
    }
    if (isFinal(view.job) && !finals.has(view.by)) finals.set(view.by, view)
  }
}

/** After a run that ended the job there is no newer one. */
function checkRuns(job: JobFacts, tell: Tell): void {
  const starts = startsOf(job)
  for (const view of job.views) {
    const last = lastRunOf(view.job)
    const next = last && starts.find(({ token }) => token > last.token)
    if (!next || retriedBefore(job, next.start.at)) continue
    tell(`It was ${view.job.state} by token ${last.token}, then token ${next.token} started.`, [view, next.start])
    return
  }
}

const retriedBefore = (job: JobFacts, at: number): boolean => retriesOf(job).some((retry) => retry.at <= at)
