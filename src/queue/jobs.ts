import { setTimeout as sleep } from 'node:timers/promises'
import { ForgeQError, jobNotFound, wrongState } from '../errors.ts'
import { msFromId } from '../job/id.ts'
import type { Job } from '../job/job.ts'
import { isFinal, type JobState } from '../job/state.ts'
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

  /** Tries each way until one applies; when none does, says which state does not allow it. */
  async function act(
    id: string,
    wish: string,
    refuses: (state: JobState) => boolean,
    ...ways: (() => Promise<boolean>)[]
  ): Promise<void> {
    for (let tries = 1; ; tries++) {
      for (const way of ways) if (await way()) return
      const { state } = await get(id)
      if (tries === TRIES || refuses(state)) throw wrongState(id, state, wish)
    }
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
      await act(id, 'retried', (state) => !isFinal(state) && state !== 'retrying', revive, runNow)
      return get(id)
    },
    async run(id) {
      const runNow = async () => woken(await runJobNow(db, id, ['scheduled', 'retrying']))
      await act(id, 'run now', (state) => state !== 'scheduled' && state !== 'retrying', runNow)
      return get(id)
    },
    async cancel(id) {
      const end = () => cancelWaitingJob(db, id, keeping)
      await act(id, 'cancelled', isFinal, end, () => requestCancel(db, id))
      return get(id)
    },
    async delete(id) {
      const refuses = (state: JobState) => state === 'running'
      await act(id, 'deleted: cancel it first', refuses, () => deleteJob(db, id))
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
