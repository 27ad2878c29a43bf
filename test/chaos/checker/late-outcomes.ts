import type { HistoryEvent, RunStarted } from '../history.ts'
import { askedOf, type Facts, type JobFacts, type Seen, startsOf } from './facts.ts'
import type { Report } from './verdict.ts'
import { type Attempt, attemptsOf, lastRunOf, msOf, timeInMessage, tokenInMessage, tokenInResult } from './views.ts'

/**
 * I7: what a run came to has effect only under its own lease, and only while no newer one has begun. The store notes an
 * outcome under the token that the job has at that moment, so a late one shows by its marks: by the worker that sent
 * it, by the token in its value or its message, by a run that is recorded as over before it was.
 */
export function checkLateOutcomes(facts: Facts, report: Report): void {
  for (const job of facts.jobs.values()) {
    const starts = startsOf(job)
    if (starts.length === 0) continue
    const seen = new Set<string>()
    const tell = (sentence: string, events: HistoryEvent[]) => {
      // Every look at the job shows the same again.
      if (seen.has(sentence)) return
      seen.add(sentence)
      report('I7', { job: job.id, sentence, events })
    }
    for (const view of job.views) {
      for (const attempt of attemptsOf(view.job)) checkRun(facts, job, attempt, starts, (s, e) => tell(s, [...e, view]))
      const last = lastRunOf(view.job)
      const made = tokenInResult(view.job)
      if (last?.outcome === 'completed' && made !== undefined && made !== last.token)
        tell(`It completed by token ${last.token} with the value of token ${made}.`, [...endsOf(job, made), view])
      checkProgress(job, starts, view, tell)
    }
  }
}

type Starts = ReturnType<typeof startsOf>

function checkRun(
  facts: Facts,
  job: JobFacts,
  attempt: Attempt,
  starts: Starts,
  tell: (sentence: string, events: HistoryEvent[]) => void,
): void {
  const { token, outcome, finished_at: finishedAt, worker, error } = attempt
  if (outcome === 'running' || finishedAt === undefined) return
  const newer = earliestAfter(starts, token)
  if (newer && msOf(finishedAt) > facts.clocks.wallAt(newer.at))
    tell(`Token ${token} was recorded as ${outcome} after token ${newer.token} had started.`, [newer])
  const own = job.runs.get(token)?.starts[0]
  if (own && worker && worker.name !== own.worker)
    tell(`Token ${token} ran in ${own.worker} and was recorded as ${outcome} by ${worker.name}.`, [own])
  const said = error && (outcome === 'failed' || outcome === 'dead') ? tokenInMessage(error.message) : undefined
  if (said !== undefined && said !== token)
    tell(`Token ${token} was recorded as ${outcome} by the error of token ${said}.`, endsOf(job, said))
  if (outcome === 'completed') checkCompleted(facts, job, attempt, tell)
}

/** What completes by what its handler returns has returned before. */
function checkCompleted(
  { clocks }: Facts,
  job: JobFacts,
  { token, finished_at: finishedAt }: Attempt,
  tell: (sentence: string, events: HistoryEvent[]) => void,
): void {
  const work = askedOf(job)?.work
  // A transaction's commit may be known to nobody but the store.
  if (!work || work.tx) return
  const ends = endsOf(job, token)
  const returned = ends.find(({ how }) => how === 'returned')
  if (!returned) {
    const why = ends[0] ? `it ${ends[0].how}` : 'it had not ended'
    tell(`Token ${token} was recorded as completed although ${why}.`, ends)
  } else if (msOf(finishedAt!) < clocks.wallFrom(returned.at))
    tell(`Token ${token} was recorded as completed before it returned.`, [returned])
}

/** What a run says of its progress once a newer one has started must not show. */
function checkProgress(
  job: JobFacts,
  starts: Starts,
  view: JobFacts['views'][number],
  tell: (sentence: string, events: HistoryEvent[]) => void,
): void {
  const message = view.job.progress?.message
  if (message === undefined) return
  const token = tokenInMessage(message)
  const sentAt = timeInMessage(message)
  if (token === undefined || sentAt === undefined) return
  const newer = earliestAfter(starts, token)
  if (newer && sentAt > newer.at)
    tell(`Token ${token} showed progress sent after token ${newer.token} had started.`, [newer, view])
}

/** Of the runs with a higher token the one that started first. */
function earliestAfter(starts: Starts, token: number): Seen<RunStarted> | undefined {
  let first: Seen<RunStarted> | undefined
  for (let index = starts.length - 1; index >= 0 && starts[index]!.token > token; index--) {
    const { start } = starts[index]!
    if (!first || start.at < first.at) first = start
  }
  return first
}

const endsOf = (job: JobFacts, token: number) => job.runs.get(token)?.ends ?? []
