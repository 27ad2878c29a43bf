import { DEFAULT_BACKOFF, pauseMs } from '../job/backoff.ts'
import type { JobError } from '../job/job.ts'
import { toJobError } from '../job/job-error.ts'
import { type LostJob, lockLostJobs, type Recovered, recoverJobs } from '../store/recovery.ts'
import { endExpiredSessions, nextExpiryMs } from '../store/sessions.ts'
import type { LoopContext } from './context.ts'
import { createLoop, type Loop } from './loop.ts'

const BATCH = 500
/** So many runs of one life may end with their worker; then the job is dead. */
export const MAX_LOST = 3
/** A heartbeat that is on its way renews in time: an expiry is looked at a little after its moment. */
const AFTER_EXPIRY_MS = 20
/** A session that has expired and could not be ended is held by somebody. */
const HELD_MS = 250

/** Ends sessions that have expired and takes their jobs back. Wakes at the next expiry that it knows. */
export function createRecovery(context: LoopContext): Loop {
  const { db, log, recoveryIntervalMs: intervalMs, onHandled } = context
  return createLoop({
    name: 'recovery',
    intervalMs,
    batch: BATCH,
    log,
    ...(onHandled && { onHandled }),
    async run() {
      // First the session, then its jobs: a claim that commits late is found by the next pass.
      await endExpiredSessions(db)
      return recoverBatch(context)
    },
    async next() {
      const expiryMs = await nextExpiryMs(db)
      if (expiryMs === undefined) return undefined
      return expiryMs > 0 ? expiryMs + AFTER_EXPIRY_MS : HELD_MS
    },
  })
}

/** Locks, decides and writes in one transaction: a death in between leaves the jobs as they were. */
async function recoverBatch({ db, keeping, log, wakeWorkers }: LoopContext): Promise<number> {
  const { lost, decided } = await db.transaction(async (tx) => {
    const lost = await lockLostJobs(tx, { limit: BATCH })
    const decided = lost.map((job) => decideLost(job))
    if (decided.length > 0) await recoverJobs(tx, decided, keeping)
    return { lost, decided }
  })
  for (const job of decided)
    log.warn(
      { job_id: job.id, state: job.state, worker: job.worker?.name, error: job.error?.message },
      'took back a lost job',
    )
  wakeWorkers(queuesOfReady(lost, decided))
  return lost.length
}

const queuesOfReady = (lost: readonly LostJob[], decided: readonly Recovered[]): Set<string> =>
  new Set(lost.filter((_, index) => decided[index]?.state === 'pending').map(({ queue }) => queue))

/**
 * What becomes of a job whose worker has vanished. One that certainly never started goes back at no cost. Otherwise
 * the run counts, as an attempt and as lost: the first loss goes back at once, later ones after the backoff, the third
 * is the last.
 */
export function decideLost(job: LostJob): Recovered {
  const worker = job.worker && { worker: job.worker }
  const base = { id: job.id, token: job.token, sessionId: job.sessionId, delayMs: 0, ...worker }
  if (job.cancelRequested)
    return {
      ...base,
      state: 'cancelled',
      counted: job.mayHaveStarted,
      reason: 'cancelled',
      ...(job.mayHaveStarted && { error: causeOf(job) }),
    }
  if (!job.mayHaveStarted) return { ...base, state: 'pending', counted: false }
  const error = causeOf(job)
  const lost = job.lost + 1
  if (lost >= MAX_LOST) return { ...base, state: 'dead', counted: true, reason: 'lost', error }
  if (job.attempt >= job.maxAttempts) return { ...base, state: 'dead', counted: true, reason: 'attempts spent', error }
  if (lost === 1) return { ...base, state: 'pending', counted: true, error }
  const delayMs = pauseMs(Math.max(1, job.attempt - job.lifeStart), job.backoff ?? DEFAULT_BACKOFF)
  return { ...base, state: 'retrying', delayMs, counted: true, error }
}

/** The cause as people read it, with all that is known of the worker. */
function causeOf({ worker, lastSeenAt, endReason = 'lease expired' }: LostJob): JobError {
  const who = worker
    ? `worker ${worker.name}, host ${worker.host}, pid ${worker.pid}, last seen ${lastSeenAt}`
    : 'its worker is not known any more'
  const error = toJobError(
    Object.assign(new Error(`${endReason}: ${who}`), { name: 'LeaseExpired', code: 'lease_expired' }),
  )
  delete error.stack
  return error
}
