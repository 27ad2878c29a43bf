import type { Note } from './handlers.ts'
import type { Ended } from './launch.ts'
import type { Scenario } from './scenario.ts'
import type { Start } from './witness.ts'

/** What was seen of a scenario. Times are those of the machine's clock. */
export interface Observed {
  scenario: Scenario
  toldAt: number[]
  ended: Ended | undefined
  printed: { out: string; err: string }
  /** Processes that were there when none of the scenario's should have been. */
  leftovers: string[]
  /** Ids that were acknowledged, and the jobs that came of them: with the callers' of a server. */
  acknowledged: string[]
  /** Enqueued before the process was told. */
  early: ReadonlySet<string>
  jobs: ReadonlyMap<string, { state: string; attempt: number; type: string }>
  notes: readonly Note[]
  witness: { readyAt: number | undefined; starts: readonly Start[] }
  /** Sessions that the process had left open, and jobs that it still held, at its end. */
  left: { sessions: number; jobs: number } | undefined
  leftServerFile: boolean
  /** What came of starting the same again, where that was tried. */
  again: { problem: string | undefined } | undefined
  lagMs: number
}

export interface Verdict {
  problems: string[]
  /** From the first signal to the end. */
  endMs?: number
  /** From the second signal to the end. */
  secondMs?: number
  /** From when a job was let go to its next run. */
  nextRunMs: number[]
  /** It ended before it had begun to listen to signals. */
  early: boolean
}

const IN_TIME_MS = 5_000
const NEXT_RUN_MS = 1_000
const NOW_MS = 1_000
/** Signals less than a second apart are one. */
const SECOND_MS = 1_000
const DEAF_PROGRAM_MS = 1_500
const EXIT = { SIGINT: 130, SIGTERM: 143 } as const

const STACK = /(?:^|\n|\\n)\s*at [^\n]*:\d+:\d+/

/** Holds what was seen against what is promised. */
export function judge(observed: Observed): Verdict {
  const verdict: Verdict = { problems: [], nextRunMs: [], early: false }
  judgeEnd(observed, verdict)
  judgeTraces(observed, verdict)
  judgeJobs(observed, verdict)
  if (isDrained(observed)) judgeNextRuns(observed, verdict)
  return verdict
}

/** The signal that ends at once, if one did. */
function secondOf({ scenario, toldAt, ended }: Observed): { signal: 'SIGTERM' | 'SIGINT'; at: number } | undefined {
  const first = toldAt[0]
  const index = toldAt.findIndex((at) => at - first! >= SECOND_MS && at <= (ended?.at ?? Infinity))
  return index < 0 ? undefined : { signal: scenario.told[index]!.signal, at: toldAt[index]! }
}

const endsByItself = ({ output }: Scenario): boolean => typeof output !== 'string' || output === 'reader gone'

/** It had the time and the database to leave in order, and did. */
const isDrained = (observed: Observed): boolean =>
  observed.ended?.how === 0 && observed.scenario.database === undefined && observed.scenario.command !== 'server'

function judgeEnd(observed: Observed, verdict: Verdict): void {
  const { scenario, toldAt, ended, lagMs } = observed
  const { problems } = verdict
  const first = toldAt[0]
  if (!ended) return void problems.push('it did not end')
  if (first !== undefined && ended.at >= first) verdict.endMs = ended.at - first
  if (scenario.devKilled) return
  const second = secondOf(observed)
  if (second) {
    verdict.secondMs = ended.at - second.at
    // It may have been about to end anyway.
    if (ended.how !== EXIT[second.signal] && ended.how !== 0)
      problems.push(`a second ${second.signal} ended it with ${ended.how}`)
    if (verdict.secondMs > NOW_MS + 2 * lagMs) problems.push(`it ended ${verdict.secondMs} ms after the second signal`)
    return
  }
  const endMs = verdict.endMs ?? 0
  if (endMs > scenario.graceMs + IN_TIME_MS + 2 * lagMs) problems.push(`it took ${endMs} ms to end`)
  if (ended.how === 0) return
  const signal = scenario.told[0]?.signal
  const atOnce =
    signal !== undefined && (ended.how === signal || ended.how === EXIT[signal]) && endMs <= NOW_MS + 2 * lagMs
  if (scenario.kind === 'told while it starts' && atOnce) verdict.early = true
  else if (first === undefined && !endsByItself(scenario))
    problems.push(`it ended with ${ended.how} before it was told`)
  else problems.push(`it ended with ${ended.how}`)
}

function judgeTraces(
  { scenario, ended, printed, leftovers, left, leftServerFile, again }: Observed,
  { problems }: Verdict,
): void {
  const text = printed.err + (typeof scenario.output === 'string' ? '' : printed.out)
  if (STACK.test(text)) problems.push('a stack trace was printed')
  for (const each of leftovers) problems.push(`left behind: ${each}`)
  if (again?.problem) problems.push(`started again: ${again.problem}`)
  if (ended?.how !== 0) return
  if (leftServerFile) problems.push('server.json was left')
  if (left && left.sessions > 0) problems.push(`${left.sessions} sessions were left open`)
  if (left && left.jobs > 0) problems.push(`${left.jobs} jobs were still held`)
}

function judgeJobs(observed: Observed, { problems }: Verdict): void {
  const { scenario, ended, acknowledged, jobs, notes, witness } = observed
  const starts = new Map<string, number>()
  for (const { job } of [...notes.filter(({ kind }) => kind === 'start'), ...witness.starts])
    starts.set(job, (starts.get(job) ?? 0) + 1)
  const missing = acknowledged.filter((id) => !jobs.has(id))
  if (missing.length > 0) problems.push(`${missing.length} acknowledged jobs are not there: ${missing[0]}`)
  const open = [...jobs].filter(([, { state }]) => state !== 'completed')
  if (open.length > 0) problems.push(`${open.length} jobs are not completed: ${open[0]![0]} is ${open[0]![1].state}`)
  // A process that did not get to say what it had started may have noted a little more.
  const slack = ended?.how === 0 && !scenario.database ? 0 : 1
  const counted = [...jobs].filter(([id, { attempt }]) => attempt > (starts.get(id) ?? 0) + slack)
  if (counted.length > 0) problems.push(`${counted.length} jobs have more attempts than runs: ${counted[0]![0]}`)
  if (!isDrained(observed)) return
  const ended_ = new Set(notes.filter(({ kind }) => kind === 'end').map(({ job }) => job))
  const again = witness.starts.filter(({ job }) => ended_.has(job))
  if (again.length > 0) problems.push(`${again.length} jobs ran again although they had ended: ${again[0]!.job}`)
}

/** What was handed back is running elsewhere at once. */
function judgeNextRuns(observed: Observed, verdict: Verdict): void {
  const { toldAt, witness, early, lagMs } = observed
  const first = toldAt[0]
  if (first === undefined || witness.readyAt === undefined || witness.readyAt > first) return
  for (const start of witness.starts) {
    if (start.at < first || !early.has(start.job)) continue
    const letGoAt = letGo(observed, start.job, first)
    if (letGoAt === undefined) continue
    const ms = start.at - letGoAt
    verdict.nextRunMs.push(ms)
    if (ms > NEXT_RUN_MS + 2 * lagMs) verdict.problems.push(`${start.job} ran ${ms} ms after it was let go`)
  }
}

/** When a job that ran elsewhere afterwards was free to. */
function letGo({ scenario, jobs, notes, ended }: Observed, job: string, first: number): number | undefined {
  if (endsByItself(scenario)) return ended!.at
  const last = notes.findLast((note) => note.job === job)
  if (!last) return first
  if (last.kind === 'aborted') return last.at
  const abortedAt = first + scenario.graceMs
  const type = jobs.get(job)?.type
  if (type === 'program') return abortedAt
  if (type === 'deaf_program') return abortedAt + DEAF_PROGRAM_MS
  return ended!.at
}
