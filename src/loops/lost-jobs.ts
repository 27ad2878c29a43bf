import { DEFAULT_BACKOFF, pauseMs } from '../job/backoff.ts'
import { toJobError } from '../job/job-error.ts'
import type { JobError } from '../job/job.ts'
import { MAX_LOST } from '../job/outcome.ts'
import type { LostJob, Recovered } from '../store/recovery.ts'

/** So often a job is spared in one life; from then on its lost runs count, whoever is to blame. */
const MAX_SPARED = 3

/**
 * What becomes of a job whose worker has vanished. One that certainly never started goes back at no cost, and so does
 * one that only sat beside the likely cause. Otherwise the run counts, as an attempt and as lost: the first loss goes
 * back at once, later ones after the backoff, the third is the last.
 */
export function decideLost(job: LostJob): Recovered {
  const worker = job.worker && { worker: job.worker }
  const base = { id: job.id, token: job.token, sessionId: job.sessionId, delayMs: 0, ...worker }
  const ran = job.mayHaveStarted || job.suspectStarted
  if (job.cancelRequested)
    return { ...base, state: 'cancelled', counted: ran, reason: 'cancelled', ...(ran && { error: causeOf(job) }) }
  if (!ran) return { ...base, state: 'pending', counted: false }
  const error = causeOf(job)
  if (isBystander(job)) return { ...base, state: 'pending', counted: false, spared: true, error }
  const lost = job.lost + 1
  if (lost >= MAX_LOST) return { ...base, state: 'dead', counted: true, reason: 'lost', error }
  if (job.attempt >= job.maxAttempts) return { ...base, state: 'dead', counted: true, reason: 'attempts spent', error }
  if (lost === 1) return { ...base, state: 'pending', counted: true, error }
  const delayMs = pauseMs(Math.max(1, job.attempt - job.lifeStart), job.backoff ?? DEFAULT_BACKOFF)
  return { ...base, state: 'retrying', delayMs, counted: true, error }
}

/**
 * A job that was lost before can take only its own process down, unless it was started in its worker's; and where one
 * was, the others have nothing to do with it. Bounded, because a job can reach further than its process.
 */
const isBystander = ({ lost, suspectStarted, besideSuspect, givenBack }: LostJob): boolean =>
  givenBack < MAX_SPARED && !suspectStarted && (lost > 0 || besideSuspect)

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
