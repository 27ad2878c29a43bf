import { toJobError } from '../job/job-error.ts'
import { type Completed, completeJobs, type CompletedRun } from '../store/complete.ts'
import type { Database } from '../store/database.ts'
import type { Keeping } from '../store/history.ts'
import {
  type FinishedOutcome,
  finishJobs,
  finishKeyedJobs,
  type RequeuedOutcome,
  requeueJobs,
} from '../store/outcomes.ts'
import { errorOf, type Report, type Session } from './lease.ts'

/** Writes reports of one session that go the same road. */
export type Write = (db: Database, session: Session, batch: readonly Report[], keeping: Keeping) => Promise<Completed>

/** The many that end well and have no key take the cheapest. */
const ROADS: { takes(report: Report): boolean; write: Write }[] = [
  {
    takes: ({ outcome, lease, ranMs }) =>
      outcome.state === 'completed' && !lease.keyed && ranMs !== undefined && lease.leaseNo !== undefined,
    write: (db, session, batch, keeping) => completeJobs(db, reporterOf(session), batch.map(completedRun), keeping),
  },
  {
    takes: (report) => isFinished(report) && !report.lease.keyed,
    write: (db, session, batch, keeping) => finishJobs(db, reporterOf(session), batch.map(finishedOutcome), keeping),
  },
  {
    takes: isFinished,
    write: (db, session, batch, keeping) =>
      finishKeyedJobs(db, reporterOf(session), batch.map(finishedOutcome), keeping),
  },
  {
    takes: () => true,
    write: (db, session, batch, keeping) => requeueJobs(db, reporterOf(session), batch.map(requeuedOutcome), keeping),
  },
]

/** The reports apart by the statement that writes them. */
export function byRoad(reports: Report[]): { batch: Report[]; write: Write }[] {
  const [first] = ROADS
  if (reports.length > 0 && reports.every(first!.takes)) return [{ batch: reports, write: first!.write }]
  const parts = ROADS.map(({ write }) => ({ batch: [] as Report[], write }))
  for (const report of reports) parts[ROADS.findIndex(({ takes }) => takes(report))]!.batch.push(report)
  return parts.filter(({ batch }) => batch.length > 0)
}

const UNSTORABLE = 'outcome not storable'

/** Instead of what is more than the store can take: the job ends and is seen. Undefined when this is it already. */
export function storableInstead(report: Report, cause: unknown): Report | undefined {
  if (report.outcome.state === 'dead' && report.outcome.reason === UNSTORABLE) return undefined
  const error = toJobError(new Error(`the outcome could not be stored: ${(cause as Error).message}`))
  return { ...report, outcome: { state: 'dead', reason: UNSTORABLE, error } }
}

const reporterOf = (session: Session) => ({ sessionId: session.id, worker: session.worker })

function isFinished({ outcome: { state } }: Report): boolean {
  return state === 'completed' || state === 'dead' || state === 'cancelled'
}

const completedRun = ({ lease: { id, token, leaseNo }, outcome, ranMs }: Report): CompletedRun => ({
  id,
  token,
  leaseNo: leaseNo!,
  resultJson: (outcome as { resultJson: string }).resultJson,
  ranMs: ranMs!,
})

function finishedOutcome({ lease: { id, token }, outcome, ranMs }: Report): FinishedOutcome {
  const finished: FinishedOutcome = { id, token, state: outcome.state as FinishedOutcome['state'] }
  if (ranMs !== undefined) finished.ranMs = ranMs
  if (outcome.state === 'completed') finished.resultJson = outcome.resultJson
  if ('reason' in outcome) finished.reason = outcome.reason
  const error = errorOf(outcome)
  if (error) finished.error = error
  return finished
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
