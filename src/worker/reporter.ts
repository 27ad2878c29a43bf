import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { isForgeQError } from '../errors.ts'
import { toJobError } from '../job/job-error.ts'
import type { Database } from '../store/database.ts'
import type { Keeping } from '../store/history.ts'
import {
  type Accepted,
  acceptedBefore,
  type FinishedOutcome,
  finishJobs,
  finishKeyedJobs,
  type RequeuedOutcome,
  requeueJobs,
} from '../store/outcomes.ts'
import { errorOf, type Report, type Session, type Verdict } from './lease.ts'

export interface Reporter {
  /** Takes a report over; its verdict comes by `onVerdict`. */
  push(report: Report): void
  /** Leases whose report has no verdict yet. */
  readonly unsettled: ReadonlySet<string>
  /** Resolves when everything pushed so far has its verdict, or when `signal` gives up on the rest. */
  flush(signal: AbortSignal): Promise<void>
}

export interface ReporterOptions {
  db: Database
  keeping: Keeping
  log: Logger
  onVerdict(report: Report, verdict: Verdict): void
}

const MOST_AT_ONCE = 500
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000

/**
 * Writes outcomes in batches: what comes in while one write is under way goes into the next. A write whose answer is
 * lost is repeated until the store has said its word; the store takes the same outcome twice and counts it once. One
 * outcome that the store cannot take never holds up the others.
 */
export function createReporter({ db, keeping, log, onVerdict }: ReporterOptions): Reporter {
  let waiting: Report[] = []
  const unsettled = new Set<string>()
  let writing: Promise<void> | undefined

  function settle(report: Report, verdict: Verdict): void {
    unsettled.delete(report.lease.id)
    onVerdict(report, verdict)
  }

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MOST_AT_ONCE)
      waiting = waiting.slice(MOST_AT_ONCE)
      await Promise.all([...bySession(batch)].flatMap(([session, reports]) => writesOf(session, reports)))
    }
    writing = undefined
  }

  function writesOf(session: Session, reports: readonly Report[]): Promise<void>[] {
    const finished = reports.filter(isFinished)
    const parts: [Report[], Write][] = [
      [
        finished.filter(({ lease }) => !lease.keyed),
        (batch) => finishJobs(db, reporterOf(session), batch.map(finishedOutcome), keeping),
      ],
      [
        finished.filter(({ lease }) => lease.keyed),
        (batch) => finishKeyedJobs(db, reporterOf(session), batch.map(finishedOutcome), keeping),
      ],
      [
        reports.filter((report) => !isFinished(report)),
        (batch) => requeueJobs(db, reporterOf(session), batch.map(requeuedOutcome), keeping),
      ],
    ]
    return parts
      .filter(([batch]) => batch.length > 0)
      .map(([batch, write]) => writeUntilAnswered(session, batch, write))
  }

  async function writeUntilAnswered(session: Session, batch: Report[], write: Write): Promise<void> {
    let unknown = false
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      try {
        const accepted = await write(batch)
        const missing = batch.filter(({ lease }) => !accepted.has(lease.id)).map(({ lease }) => lease)
        const earlier = unknown && missing.length > 0 ? await acceptedBefore(db, session.id, missing) : undefined
        for (const report of batch) {
          const state = accepted.get(report.lease.id) ?? earlier?.get(report.lease.id)
          settle(report, state === undefined ? { accepted: false } : { accepted: true, state })
        }
        return
      } catch (error) {
        if (!isForgeQError(error, 'unavailable')) return writeOneByOne(session, batch, write, error)
        unknown = true
        log.warn({ err: error, outcomes: batch.length }, 'outcomes were not answered for; repeating them')
        await sleep(pauseMs * (0.75 + Math.random() / 2))
      }
    }
  }

  /** Something in this batch is more than the store can take: the others must not pay for it. */
  async function writeOneByOne(session: Session, batch: Report[], write: Write, cause: unknown): Promise<void> {
    if (batch.length > 1) {
      for (const report of batch) await writeUntilAnswered(session, [report], write)
      return
    }
    const [report] = batch as [Report]
    log.error({ err: cause, job_id: report.lease.id }, 'an outcome could not be stored')
    if (report.outcome.state === 'dead' && report.outcome.reason === UNSTORABLE)
      return settle(report, { accepted: false })
    const error = toJobError(new Error(`the outcome could not be stored: ${(cause as Error).message}`))
    const replaced: Report = { ...report, outcome: { state: 'dead', reason: UNSTORABLE, error } }
    await Promise.all(writesOf(session, [replaced]))
  }

  return {
    unsettled,
    push(report) {
      unsettled.add(report.lease.id)
      waiting.push(report)
      // One microtask gathers what ends in the same turn of the loop.
      writing ??= Promise.resolve().then(drain)
    },
    async flush(signal) {
      const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      while (unsettled.size > 0 && !signal.aborted) await Promise.race([writing, aborted])
    },
  }
}

const UNSTORABLE = 'outcome not storable'

type Write = (batch: Report[]) => Promise<Accepted>

const reporterOf = (session: Session) => ({ sessionId: session.id, worker: session.worker })

function bySession(reports: readonly Report[]): Map<Session, Report[]> {
  const groups = new Map<Session, Report[]>()
  for (const report of reports) {
    const group = groups.get(report.lease.session)
    if (group) group.push(report)
    else groups.set(report.lease.session, [report])
  }
  return groups
}

const isFinished = ({ outcome: { state } }: Report) =>
  state === 'completed' || state === 'dead' || state === 'cancelled'

function finishedOutcome({ lease: { id, token }, outcome, ranMs }: Report): FinishedOutcome {
  const error = errorOf(outcome)
  return {
    id,
    token,
    state: outcome.state as FinishedOutcome['state'],
    ...('reason' in outcome && { reason: outcome.reason }),
    ...('resultJson' in outcome && { resultJson: outcome.resultJson }),
    ...(error && { error }),
    ...(ranMs !== undefined && { ranMs }),
  }
}

function requeuedOutcome({ lease: { id, token }, outcome, remembered, ranMs }: Report): RequeuedOutcome {
  const error = errorOf(outcome)
  return {
    id,
    token,
    state: outcome.state as RequeuedOutcome['state'],
    delayMs: 'delayMs' in outcome ? outcome.delayMs : 0,
    counted: outcome.state === 'retrying',
    ...(remembered && ranMs !== undefined && { outcome: remembered }),
    ...(error && { error }),
    ...(ranMs !== undefined && { ranMs }),
  }
}
