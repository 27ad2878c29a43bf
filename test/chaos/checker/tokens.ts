import { type Facts, type JobFacts, startsOf } from './facts.ts'
import type { Report } from './verdict.ts'
import { attemptsOf } from './views.ts'

/**
 * I5: no token is given twice, and a later claim's is higher. A start that is logged late is legal (its worker was
 * stopped between the claim and the handler), so the order is taken from the numbers of the runs: a claim raises the
 * number by one, and what follows takes at most that one back.
 */
export function checkTokens({ jobs }: Facts, report: Report): void {
  for (const job of jobs.values()) {
    for (const { token, starts } of job.runs.values())
      if (starts.length > 1)
        report('I5', { job: job.id, sentence: `Token ${token} started ${starts.length} runs.`, events: starts })
    checkOrder(job, report)
    checkViews(job, report)
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
