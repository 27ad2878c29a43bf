import type { Backoff } from '../job/backoff.ts'
import type { Attempt, Job, JobError, WorkerRef } from '../job/job.ts'
import { isFinal, type JobState } from '../job/state.ts'
import { Fragment, fragment } from './sql.ts'

/** The columns of `forgeq.all_jobs` (as `job`) and of the session that holds a running one (as `session`). */
export interface JobRow {
  id: string
  queue: string
  type: string
  state: JobState
  reason: string | null
  priority: number
  run_at: string
  created_at: string
  expires_at: string | null
  started_at: string | null
  finished_at: string | null
  payload: string
  result: string | null
  attempt: number
  max_attempts: number
  lost: number
  token: string
  session_id: string | null
  worker: string | null
  timeout_ms: string | null
  backoff: string | null
  tags: string[]
  idempotency_key: string | null
  traceparent: string | null
  keep_for_ms: string | null
  cancel_requested_at: string | null
  progress: string | null
  error: string | null
}

const utc = (column: string) => new Fragment(`to_char(${column} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`)

/**
 * A job's columns in a form that no driver's parser and no session's time zone changes: they are also read through a
 * caller's own connection.
 */
export const jobColumns = fragment`job.id, job.queue, job.type, job.state, job.reason, job.priority, ${utc('job.run_at')} as run_at,
       ${utc('job.created_at')} as created_at, ${utc('job.expires_at')} as expires_at, ${utc('job.started_at')} as started_at,
       ${utc('job.finished_at')} as finished_at, job.payload::text as payload, job.result::text as result, job.attempt,
       job.max_attempts, job.lost, job.token::text as token, job.session_id,
       coalesce(job.worker, case when session.id is not null then jsonb_build_object(
         'id', session.id, 'name', session.name, 'host', session.host, 'pid', session.pid) end)::text as worker,
       job.timeout_ms::text as timeout_ms, job.backoff::text as backoff, job.tags, job.idempotency_key, job.traceparent,
       job.keep_for_ms::text as keep_for_ms, ${utc('job.cancel_requested_at')} as cancel_requested_at,
       job.progress::text as progress, job.error::text as error`

// eslint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller says what the store holds
const parse = <T>(json: string | null): T | undefined => (json === null ? undefined : (JSON.parse(json) as T))

/** Leaves out what is absent, so that absent means none all the way to the wire. */
function defined<T extends object>(fields: { [K in keyof T]: T[K] | undefined }): T {
  for (const key of Object.keys(fields) as (keyof T)[]) if (fields[key] === undefined) delete fields[key]
  return fields as T
}

export const jobFromRow = (row: JobRow): Job =>
  defined<Job>({
    id: row.id,
    type: row.type,
    queue: row.queue,
    state: row.state,
    reason: row.reason ?? undefined,
    payloadJson: row.payload,
    priority: row.priority,
    runAt: row.run_at,
    createdAt: row.created_at,
    startedAt: row.started_at ?? undefined,
    finishedAt: row.finished_at ?? undefined,
    expiresAt: row.expires_at ?? undefined,
    attempt: row.attempt,
    maxAttempts: row.max_attempts,
    lost: row.lost,
    timeoutMs: row.timeout_ms === null ? undefined : Number(row.timeout_ms),
    backoff: parse<Backoff>(row.backoff),
    tags: row.tags,
    idempotencyKey: row.idempotency_key ?? undefined,
    progress: parse<{ value: number; message?: string }>(row.progress),
    resultJson: row.result ?? undefined,
    error: parse<JobError>(row.error),
    worker: parse<WorkerRef>(row.worker),
    cancelRequestedAt: row.cancel_requested_at ?? undefined,
    traceparent: row.traceparent ?? undefined,
    keepForMs: row.keep_for_ms === null ? undefined : Number(row.keep_for_ms),
  })

interface StoredAttempt {
  attempt: number
  token: number
  worker: WorkerRef | null
  started_at: string
  finished_at: string
  outcome: Attempt['outcome']
  error?: JobError | null
}

const attemptFromStored = (stored: StoredAttempt): Attempt =>
  defined<Attempt>({
    attempt: stored.attempt,
    token: stored.token,
    worker: stored.worker ?? undefined,
    startedAt: stored.started_at,
    finishedAt: stored.finished_at,
    outcome: stored.outcome,
    error: stored.error ?? undefined,
  })

/** The run that a job is in or ended with is in its own row; only earlier ones are stored apart. */
function lastAttempt(job: Job, token: number): Attempt | undefined {
  if (!job.startedAt || (job.state !== 'running' && !(isFinal(job.state) && job.worker))) return undefined
  return defined<Attempt>({
    attempt: job.attempt,
    token,
    worker: job.worker,
    startedAt: job.startedAt,
    finishedAt: job.finishedAt,
    outcome: job.state,
    error: isFinal(job.state) ? job.error : undefined,
  })
}

/** A job with every run, oldest first. */
export function jobWithAttempts(row: JobRow & { attempts: string | null }): Job {
  const job = jobFromRow(row)
  const earlier = (parse<StoredAttempt[]>(row.attempts) ?? []).map(attemptFromStored)
  const last = lastAttempt(job, Number(row.token))
  return { ...job, attempts: last ? [...earlier, last] : earlier }
}
