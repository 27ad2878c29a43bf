import { askedOf, type Facts, type JobFacts, retriesOf, startsOf } from './facts.ts'
import type { Limits, Report } from './verdict.ts'
import { type Attempt, attemptsOf, diedLost, type JobView, lastRunOf, lifeOf, lifeStartOf } from './views.ts'

const COUNTED = new Set<Attempt['outcome']>(['completed', 'failed', 'dead', 'lost'])

/** I9: a life has no more counted runs than it may have, no more losses, and a new one begins by a retry only. */
export function checkAttempts({ jobs }: Facts, { maxLost }: Limits, report: Report): void {
  for (const job of jobs.values()) {
    const own = askedOf(job)?.maxAttempts
    for (const view of job.views) {
      const wrong = wrongIn(view.job, own, retriesOf(job).length, maxLost)
      if (wrong === undefined) continue
      report('I9', { job: job.id, sentence: wrong, events: [view] })
      break
    }
    if (own === undefined) continue
    const most = own * (1 + retriesOf(job).length)
    for (const { starts } of job.runs.values())
      for (const start of starts)
        if (start.attempt > most)
          report('I9', { job: job.id, sentence: `Run ${start.attempt} started of at most ${most}.`, events: [start] })
  }
}

function wrongIn(view: JobView, own: number | undefined, retries: number, maxLost: number): string | undefined {
  if (view.attempt > view.max_attempts) return `It is in run ${view.attempt} of ${view.max_attempts}.`
  if (view.lost > maxLost) return `It was lost ${view.lost} times.`
  // The loss that is one too many may be that of a job which somebody had asked to end.
  if (view.lost === maxLost && view.state !== 'dead' && view.state !== 'cancelled')
    return `It is ${view.state} after ${view.lost} losses.`
  const twice = countedTwice(attemptsOf(view))
  if (twice !== undefined) return `Run ${twice} was counted twice.`
  if (own === undefined) return undefined
  const began = lifeStartOf(view, own)
  if (began !== 0 && retries === 0) return `Its maximum of ${own} became ${view.max_attempts} without a retry.`
  const life = lifeOf(view, own)
  const counted = life.filter(({ outcome }) => COUNTED.has(outcome)).length
  if (counted > own) return `A life of ${own} runs had ${counted}.`
  const survived = life.filter(({ outcome }) => outcome === 'lost').length
  if (survived >= maxLost) return `A life went on after ${survived} lost runs.`
  return undefined
}

function countedTwice(attempts: readonly Attempt[]): number | undefined {
  const seen = new Set<number>()
  for (const { attempt, outcome } of attempts) {
    if (!COUNTED.has(outcome)) continue
    if (seen.has(attempt)) return attempt
    seen.add(attempt)
  }
  return undefined
}

/** I12: what is dead has a failed or a lost run of its last life to show, and one that failed really ran and did not return. */
export function checkDead({ jobs }: Facts, report: Report): void {
  for (const job of jobs.values()) {
    for (const view of job.views) {
      const wrong = view.job.state === 'dead' ? whyNotDead(job, view.job) : undefined
      if (!wrong) continue
      report('I12', { job: job.id, sentence: wrong, events: [...runsOf(job), view] })
      break
    }
  }
}

function whyNotDead(job: JobFacts, view: JobView): string | undefined {
  const asked = askedOf(job)
  const life = asked ? lifeOf(view, asked.maxAttempts) : attemptsOf(view)
  const isLost = diedLost(view)
  if (!isLost && !life.some(({ outcome }) => outcome === 'failed' || outcome === 'dead' || outcome === 'lost'))
    return 'It is dead, and none of its runs failed or was lost.'
  // Once or twice a worker may vanish in the moment before a handler's first line, not each time.
  const own = asked ? lifeStartOf(view, asked.maxAttempts) : 0
  const ran = startsOf(job).some(({ start }) => start.attempt > own)
  if (isLost && view.lost > 1 && !ran) return `It is dead by ${view.lost} losses, and it never ran.`
  const last = lastRunOf(view)
  // A run may be lost before its handler's first line, or between its last and the store; losses before it say nothing.
  if (isLost || !last || asked?.work.do === 'hostile') return undefined
  const run = job.runs.get(last.token)
  if (!run?.starts.length) return `It is dead by token ${last.token}, which never ran.`
  if (run.ends.some(({ how }) => how === 'returned' || how === 'completed_tx'))
    return `It is dead by token ${last.token}, which ended well.`
  return undefined
}

const runsOf = ({ runs }: JobFacts) => [...runs.values()].flatMap(({ starts, ends }) => [...starts, ...ends])
