import { jobNotFound } from '../errors.ts'
import type { Job } from '../job/job.ts'
import { isFinal } from '../job/state.ts'
import type { Database } from '../store/database.ts'
import { readJob } from '../store/jobs.ts'
import { countAhead } from '../store/queues.ts'
import { type Figures, serves } from './figures.ts'
import type { Why } from './job-queue.ts'

const MOST_AHEAD = 100_000

/** Why a job is not running now. */
export async function explain(db: Database, figures: Figures, id: string): Promise<Why> {
  const job = await readJob(db, id)
  if (!job) throw jobNotFound(id)
  return { id, state: job.state, reasons: await reasonsOf(db, figures, job) }
}

type Reason = Why['reasons'][number]
const reason = (code: Reason['code'], message: string, details: Record<string, unknown> = {}): Reason => ({
  code,
  message,
  details,
})

async function reasonsOf(db: Database, figures: Figures, job: Job): Promise<Reason[]> {
  if (isFinal(job.state)) {
    const because = job.reason ? ` (${job.reason})` : ''
    return [reason('final', `it is ${job.state}${because} since ${job.finishedAt}`, { finished_at: job.finishedAt })]
  }
  if (job.state === 'running') {
    const by = reason('running', `it runs on worker ${job.worker?.name ?? 'unknown'}, attempt ${job.attempt}`, {
      worker: job.worker,
    })
    if (!job.cancelRequestedAt) return [by]
    return [
      reason('cancelling', `its cancellation was asked for at ${job.cancelRequestedAt}`, {
        cancel_requested_at: job.cancelRequestedAt,
      }),
      by,
    ]
  }
  const held = await heldBack(figures, job)
  if (job.state === 'scheduled')
    return [reason('scheduled', `it is due at ${job.runAt}`, { run_at: job.runAt }), ...held]
  if (job.state === 'retrying') {
    const failed = `attempt ${job.attempt} of ${job.maxAttempts} failed; the next is due at ${job.runAt}`
    return [reason('retrying', failed, { run_at: job.runAt, error: job.error }), ...held]
  }
  const ahead = await countAhead(db, { queue: job.queue, id: job.id, limit: MOST_AHEAD })
  if (ahead > 0) held.push(await behind(figures, job, ahead))
  return held.length > 0 ? held : [reason('ready', 'it is ready: a worker takes it next')]
}

async function heldBack(figures: Figures, job: Job): Promise<Reason[]> {
  const [queues, workers] = await Promise.all([figures.queues(), figures.workers()])
  const held: Reason[] = []
  const paused = queues.find(({ name }) => name === job.queue)?.paused
  if (paused) {
    const by = paused.by ? ` by ${paused.by}` : ''
    const because = paused.reason ? `: ${paused.reason}` : ''
    held.push(reason('paused', `queue ${job.queue} is paused${by} since ${paused.since}${because}`, { ...paused }))
  }
  const live = workers.filter(({ status }) => status !== 'lost')
  if (!live.some((worker) => serves(worker, job.queue) && worker.types.includes(job.type))) {
    const message = `no live worker serves type ${job.type} on queue ${job.queue}`
    held.push(reason('no_worker', message, { type: job.type, queue: job.queue, workers: live.length }))
  }
  return held
}

async function behind(figures: Figures, job: Job, ahead: number): Promise<Reason> {
  const rate = (await figures.queues()).find(({ name }) => name === job.queue)?.rates.finished ?? 0
  const seconds = rate > 0 ? Math.round(ahead / rate) : undefined
  const count = ahead >= MOST_AHEAD ? `at least ${MOST_AHEAD}` : `${ahead}`
  const estimate = seconds === undefined ? '' : `, about ${seconds} s at the present pace`
  return reason('behind', `${count} ${ahead === 1 ? 'job' : 'jobs'} of queue ${job.queue} come first${estimate}`, {
    ahead,
    ...(seconds === undefined ? {} : { estimate_seconds: seconds }),
  })
}
