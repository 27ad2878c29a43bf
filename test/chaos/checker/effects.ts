import { askedOf, type Facts, type JobFacts, retriesOf } from './facts.ts'
import type { Report } from './verdict.ts'
import { attemptsOf } from './views.ts'

/**
 * I8: each completion of a job that completes through its own transaction left one row, the one of the token that
 * completed, and nothing else left any. Where the handler saw its commit acknowledged, both are there.
 */
export function checkEffects({ jobs }: Facts, report: Report): void {
  for (const job of jobs.values()) {
    const tx = askedOf(job)?.work.tx === true
    if (!tx && job.effects.length === 0) continue
    // One that is missing is told of by I1; whether it completed nobody knows.
    if (!job.exported && job.effects.length === 0) continue
    const completed = completedBy(job)
    const rows = new Map<number, number>()
    for (const { token } of job.effects) rows.set(token, (rows.get(token) ?? 0) + 1)
    const acknowledged = [...job.runs.values()].flatMap(({ ends }) => ends.filter(({ how }) => how === 'completed_tx'))
    const events = [...acknowledged, ...job.effects, ...(job.exported ? [job.exported] : [])]
    const tell = (sentence: string) => report('I8', { job: job.id, sentence, events })
    if (!tx) {
      tell('It has an effect, and it does not complete through a transaction.')
      continue
    }
    for (const token of completed)
      if (!rows.has(token)) tell(`It completed by token ${token}, and the effect of that is missing.`)
    for (const { token } of acknowledged) {
      // One that completed without its effect has been told of.
      if (!rows.has(token) && !completed.has(token)) tell(`Token ${token} saw its commit, and its effect is missing.`)
      if (job.exported && !isCompletedBy(job, token))
        tell(`Token ${token} saw its commit, and the job is ${job.exported.job.state} without it.`)
    }
    for (const [token, n] of rows) {
      if (!completed.has(token)) tell(`The effect of token ${token} is there, which did not complete the job.`)
      else if (n > 1) tell(`The effect of token ${token} is there ${n} times.`)
    }
  }
}

/** That life of the job ended so, and only a retry began another one. */
const isCompletedBy = (job: JobFacts, token: number): boolean =>
  completedBy(job).has(token) && (job.exported?.job.state === 'completed' || retriesOf(job).length > 0)

const completedBy = ({ exported }: JobFacts): Set<number> =>
  new Set(
    (exported ? attemptsOf(exported.job) : [])
      .filter(({ outcome }) => outcome === 'completed')
      .map(({ token }) => token),
  )
