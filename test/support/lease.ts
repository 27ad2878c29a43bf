import { insertJob, insertSession, type JobFields } from './factory.ts'
import type { FinishedOutcome, Reporter, RequeuedOutcome } from '../../src/store/outcomes.ts'
import type { Database } from '../../src/store/database.ts'

export interface Held {
  id: string
  token: number
  sessionId: string
}

/** A running job, third run, fifth lease, and the lease that holds it. */
export async function held(db: Database, fields: JobFields = {}): Promise<Held> {
  const sessionId = await insertSession(db, { name: 'holder' })
  const id = await insertJob(db, { state: 'running', session: sessionId, attempt: 3, token: 5, ...fields })
  return { id, token: 5, sessionId }
}
export const reporterOf = (sessionId: string): Reporter => ({ sessionId, worker: { id: sessionId, name: 'holder' } })
export const ERROR = { name: 'Error', message: 'no', fingerprint: 'f' }

export const failed = ({ id, token }: Held): RequeuedOutcome => ({
  id,
  token,
  state: 'retrying',
  delayMs: 1_000,
  counted: true,
  outcome: 'failed',
  error: ERROR,
  ranMs: 1,
})
export const completed = ({ id, token }: Held): FinishedOutcome => ({
  id,
  token,
  state: 'completed' as const,
  ranMs: 1,
})
