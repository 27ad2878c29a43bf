import type { Job } from '../job/job.ts'
import type { InsertedJob, StorableJob } from '../store/enqueue.ts'

const OPTIONAL = ['expiresAt', 'timeoutMs', 'backoff', 'idempotencyKey', 'traceparent', 'keepForMs'] as const

/** A job as it was just stored. Written out, and not spread: it runs once for each job of a bulk of thousands. */
export function createdJob(asked: StorableJob, inserted: InsertedJob): Job {
  const job: Job = {
    id: asked.id,
    type: asked.type,
    queue: asked.queue,
    state: inserted.state,
    payloadJson: asked.payloadJson,
    priority: asked.priority,
    runAt: inserted.runAt,
    createdAt: inserted.createdAt,
    attempt: 0,
    maxAttempts: asked.maxAttempts,
    lost: 0,
    tags: asked.tags,
  }
  for (const name of OPTIONAL) {
    const value = asked[name]
    if (value !== undefined) (job as unknown as Record<string, unknown>)[name] = value
  }
  if (inserted.expiresAt !== undefined) job.expiresAt = inserted.expiresAt
  return job
}
