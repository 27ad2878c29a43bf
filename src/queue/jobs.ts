import { setTimeout as sleep } from 'node:timers/promises'
import { ForgeQError, jobNotFound, wrongState } from '../errors.ts'
import { msFromId } from '../job/id.ts'
import type { Job } from '../job/job.ts'
import { isFinal } from '../job/state.ts'
import type { Database } from '../store/database.ts'
import type { Keeping } from '../store/history.ts'
import { cancelWaitingJob, deleteJob, readJob, readResult, requestCancel, reviveJob, runJobNow } from '../store/jobs.ts'
import type { Figures } from './figures.ts'
import type { JobQueue, JobResult } from './job-queue.ts'
import { listJobs } from './list.ts'
import type { Notifier } from './notifier.ts'
import { explain } from './why.ts'

/** A job may move between a look and a write; so often an act is tried anew before the state is believed. */
const TRIES = 5

interface Context {
  db: Database
  keeping: Keeping
  notifier: Notifier
  figures: Figures
}

/** What people do with single jobs. */
export function createJobs({ db, keeping, notifier, figures }: Context): JobQueue['jobs'] {
  const get = async (id: string): Promise<Job> => {
    const job = await readJob(db, id)
    if (!job) throw jobNotFound(id)
    return job
  }

  /** Tries each way until one applies; when none does, says in which state the job is. */
  async function act(id: string, wish: string, ...ways: (() => Promise<boolean>)[]): Promise<Job> {
    for (let tries = 0; tries < TRIES; tries++) {
      for (const way of ways) if (await way()) return get(id)
      const { state } = await get(id)
      if (tries === TRIES - 1 || isFinal(state)) throw wrongState(id, state, wish)
    }
    throw new ForgeQError('internal', 'unreachable')
  }

  const woken = (queue: string | undefined): boolean => {
    if (queue !== undefined) notifier.wake('pending', queue)
    return queue !== undefined
  }

  return {
    get,
    list: (filter) => listJobs(db, filter),
    why: (id) => explain(db, figures, id),
    result: (id, options) => waitForResult(db, id, keeping, options),
    async retry(id) {
      const revive = async () => woken(await reviveJob(db, id))
      const runNow = async () => woken(await runJobNow(db, id, ['retrying']))
      for (const way of [revive, runNow]) if (await way()) return get(id)
      throw wrongState(id, (await get(id)).state, 'retried')
    },
    async run(id) {
      if (woken(await runJobNow(db, id, ['scheduled', 'retrying']))) return get(id)
      throw wrongState(id, (await get(id)).state, 'run now')
    },
    cancel: (id) =>
      act(
        id,
        'cancelled',
        () => cancelWaitingJob(db, id, keeping),
        () => requestCancel(db, id),
      ),
    async delete(id) {
      if (await deleteJob(db, id)) return
      throw wrongState(id, (await get(id)).state, 'deleted: cancel it first')
    },
  }
}

const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 500

/** Looks again and again, with growing pauses, until the job has ended or the time is over. */
async function waitForResult(
  db: Database,
  id: string,
  keeping: Keeping,
  { waitMs, signal }: { waitMs: number; signal?: AbortSignal },
): Promise<JobResult> {
  const deadline = performance.now() + waitMs
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 1.5)) {
    const result = await readResult(db, id)
    if (!result) throw missing(id, keeping)
    const leftMs = deadline - performance.now()
    if (isFinal(result.state) || leftMs <= 0 || signal?.aborted) return result
    await sleep(Math.min(pauseMs, leftMs), undefined, signal ? { signal } : {}).catch(() => {})
  }
}

/** Of an id older than the shortest retention nobody can say whether there was such a job. */
function missing(id: string, { completedMs, cancelledMs, deadMs }: Keeping): ForgeQError {
  const shortestMs = Math.min(completedMs, cancelledMs, deadMs)
  if (Date.now() - msFromId(id) <= shortestMs) return jobNotFound(id)
  return new ForgeQError(
    'job_expired',
    `job ${id} may have ended and been removed: its id is older than the shortest retention`,
    { details: { id } },
  )
}
