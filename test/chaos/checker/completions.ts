import type { HistoryEvent } from '../history.ts'
import { type Facts, type JobFacts, retriesOf } from './facts.ts'
import type { Report } from './verdict.ts'
import { attemptsOf } from './views.ts'

/** I6: of all runs of a life at most one is recorded as completed, whoever looked and when. */
export function checkCompletions({ jobs }: Facts, report: Report): void {
  for (const job of jobs.values()) {
    const completed = completedTokens(job)
    const lives = 1 + retriesOf(job).length
    if (completed.size <= lives) continue
    report('I6', {
      job: job.id,
      sentence: `The completions of tokens ${[...completed.keys()].join(', ')} took effect in ${lives === 1 ? 'one life' : `${lives} lives`}.`,
      events: [...new Set(completed.values())],
    })
  }
}

function completedTokens({ views }: JobFacts): Map<number, HistoryEvent> {
  const completed = new Map<number, HistoryEvent>()
  for (const view of views)
    for (const { token, outcome } of attemptsOf(view.job))
      if (outcome === 'completed' && !completed.has(token)) completed.set(token, view)
  return completed
}
