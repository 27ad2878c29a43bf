import { type Facts, type JobFacts, type Seen } from './facts.ts'
import type { Exported, RunEnded } from '../history.ts'
import type { Limits, Report } from './verdict.ts'
import { type Attempt, attemptsOf, msOf } from './views.ts'

/** A worker notes, before they start, the leases that will start within about this time. */
const NOTED_MS = 100
/** Weight of the newest run in a worker's mean. */
const WEIGHT = 0.1
/** As far ahead as a worker leases at most. */
const MOST_BUFFERED = 1_000
/** Given back so often at no cost, a job pays for the next loss wherever it lay. */
const MAX_GIVEN_BACK = 3

interface Unstarted {
  attempt: Attempt
  view: Seen<Exported>
}

/**
 * I9: what lay in a lost worker's buffer pays nothing. What the worker has noted as startable does, and a worker may end
 * before a handler's first line: so of each session as many runs without that line may count as lost as a note covers,
 * which are the free slots, the lease that it is written for, and what starts in the next 100 ms at the worker's pace;
 * and one that was lost before and is noted apart. Leases start in the order in which they are noted, so what an older
 * note covered has started before a newer one is written. Who was given back three times pays wherever it lay.
 */
export function checkUnstarted(facts: Facts, limits: Limits, report: Report): void {
  const sessions = new Map<string, Unstarted[]>()
  for (const job of facts.jobs.values()) {
    for (const one of unstartedOf(job)) {
      const { worker, token } = one.attempt
      if (givenBackBefore(job, token) >= MAX_GIVEN_BACK) continue
      if (worker) sessions.set(worker.id, [...(sessions.get(worker.id) ?? []), one])
      else
        report('I9', {
          job: job.id,
          sentence: `Token ${token} counts as lost, never started, and no worker had it.`,
          events: [one.view],
        })
    }
  }
  const ends = endsByWorker(facts)
  for (const [session, lost] of sessions) {
    const { name } = lost[0]!.attempt.worker!
    const most = limits.slots + 2 + startingSoon(facts, limits, ends.get(name) ?? [], lost)
    if (lost.length <= most) continue
    report('I9', {
      sentence: `Of session ${session} of ${name} ${lost.length} runs that never started count as lost, of at most ${most}.`,
      events: lost.map(({ view }) => view),
    })
  }
}

function unstartedOf({ exported: view, runs }: JobFacts): Unstarted[] {
  if (!view) return []
  return attemptsOf(view.job)
    .filter(({ token, outcome, error }) => isLost(outcome, error) && !runs.get(token)?.starts.length)
    .map((attempt) => ({ attempt, view }))
}

/** A program that ended in a child process of its own is its job's affair: only one lost with its worker is a matter of notes. */
const isLost = (outcome: Attempt['outcome'], error: Attempt['error']): boolean =>
  (outcome === 'lost' || outcome === 'dead') && error?.code === 'lease_expired'

/** How often it may have been given back: by claims that left no run, and by runs that it did not pay for. */
function givenBackBefore({ exported, runs }: JobFacts, before: number): number {
  const attempts = attemptsOf(exported!.job).filter(({ token }) => token < before)
  const spared = attempts.filter(({ outcome, error }) => outcome === 'released' && error?.code === 'lease_expired')
  const left = new Set([...attempts.map(({ token }) => token), ...[...runs.keys()].filter((token) => token < before)])
  return spared.length + (before - 1 - left.size)
}

function endsByWorker(facts: Facts): Map<string, { end: Seen<RunEnded>; ranMs: number }[]> {
  const ends = new Map<string, { end: Seen<RunEnded>; ranMs: number }[]>()
  for (const end of facts.of('run_ended')) {
    const start = facts.jobs.get(end.job)?.runs.get(end.token)?.starts[0]
    if (!start) continue
    const list = ends.get(start.worker)
    const one = { end, ranMs: end.at - start.at }
    if (list) list.push(one)
    else ends.set(start.worker, [one])
  }
  return ends
}

/**
 * What the worker may have held to start within 100 ms: by the shortest mean of its runs in the life of these leases, and
 * for as long before as the claim of a live session may have been on its way. The handler's own lines are a little
 * closer together than what the worker measures, so this is never less than what was noted.
 */
function startingSoon(
  { clocks }: Facts,
  { slots, leaseMs }: Limits,
  ends: readonly { end: Seen<RunEnded>; ranMs: number }[],
  lost: readonly Unstarted[],
): number {
  const from = Math.min(...lost.map(({ attempt }) => msOf(attempt.started_at))) - leaseMs
  const until = Math.max(...lost.map(({ attempt }) => msOf(attempt.finished_at!)))
  let mean: number | undefined
  let least = Infinity
  for (const { end, ranMs } of ends) {
    if (clocks.wallFrom(end.at) > until) break
    // The mean that was in force when the time began counts, too.
    if (mean !== undefined && clocks.wallAt(end.at) >= from) least = Math.min(least, mean)
    mean = mean === undefined ? ranMs : mean + WEIGHT * (ranMs - mean)
  }
  if (mean !== undefined) least = Math.min(least, mean)
  return least === Infinity ? 0 : Math.min(MOST_BUFFERED, Math.ceil((NOTED_MS / Math.max(least, 0.001)) * slots))
}
