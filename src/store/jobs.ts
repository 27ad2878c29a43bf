import type { Job } from '../job/job.ts'
import type { JobState } from '../job/state.ts'
import type { Database } from './database.ts'
import { closeKeys, countEnded, insertFinished, type Keeping, retention, retentionJson } from './history.ts'
import { jobColumns, jobFromRow, type JobRow, jobWithAttempts } from './rows.ts'
import { sql } from './sql.ts'

/** One job with all its runs, alive or finished. */
export async function readJob(db: Database, id: string): Promise<Job | undefined> {
  const [row] = await db.query<JobRow & { attempts: string | null }>(sql`
    /* forgeq:read_job */
    select ${jobColumns}, job.attempts
      from forgeq.all_jobs as job
      left join forgeq.sessions as session on session.id = job.session_id and job.state = 'running'
     where job.id = ${id}`)
  return row && jobWithAttempts(row)
}

/** The state and result of a job, without its payload and runs. */
export async function readResult(
  db: Database,
  id: string,
): Promise<Pick<Job, 'state' | 'reason' | 'resultJson' | 'error'> | undefined> {
  const [row] = await db.query<{
    state: JobState
    reason: string | null
    result: string | null
    error: string | null
  }>(sql`
    /* forgeq:read_result */
    select state, reason, result::text as result, error::text as error from forgeq.all_jobs where id = ${id}`)
  return (
    row && {
      state: row.state,
      ...(row.reason === null ? {} : { reason: row.reason }),
      ...(row.result === null ? {} : { resultJson: row.result }),
      ...(row.error === null ? {} : { error: JSON.parse(row.error) as NonNullable<Job['error']> }),
    }
  )
}

/**
 * Jobs under ids that callers gave again, with the digest of what was asked for then. Of the ids in `besides` only the
 * history counts: their live rows are this transaction's own.
 */
export async function readMeanings(
  db: Database,
  ids: readonly string[],
  { besides = [] }: { besides?: readonly string[] } = {},
): Promise<Map<string, { meaning: string | null; job: Job }>> {
  const rows = await db.query<JobRow & { meaning: string | null }>(sql`
    /* forgeq:read_meanings */
    select ${jobColumns}, job.meaning
      from forgeq.all_jobs as job
      left join forgeq.sessions as session on session.id = job.session_id and job.state = 'running'
     where job.id = any (${ids}::uuid[])
       and (job.state in ('completed', 'dead', 'cancelled') or not job.id = any (${besides}::uuid[]))`)
  return new Map(rows.map((row) => [row.id, { meaning: row.meaning, job: jobFromRow(row) }]))
}

/** Ends a job that waits. False when it does not wait (any more). */
export async function cancelWaitingJob(db: Database, id: string, keeping: Keeping): Promise<boolean> {
  const rows = await db.query(sql`
    /* forgeq:cancel_waiting_job */
    with ${retention.from}${retentionJson(keeping)}${retention.as}, ended as (
      delete from forgeq.jobs as job
       where job.id = ${id} and job.state <> 'running'
      returning job.*, 'cancelled' as final_state, 'cancelled' as final_reason, null::jsonb as final_result, job.error as final_error,
                null::uuid as final_session_id, null::jsonb as final_worker, null::timestamptz as final_started_at
    ), moved as (${insertFinished}
    ), closed as (${closeKeys}
    ), counted as (${countEnded}
    )
    select id from moved`)
  return rows.length > 0
}

const CANCEL_WAIT_MS = 5_000

/**
 * Asks that a running job end: its worker is told with the next heartbeat. False when it does not run (any more).
 * Somebody who holds the job is waited for a few seconds. @throws `unavailable` after that
 */
export async function requestCancel(db: Database, id: string): Promise<boolean> {
  const rows = await db.query(sql`
    /* forgeq:request_cancel */
    with bounded as materialized (
      -- A handler's own transaction may hold its job for as long as it likes; a connection does not wait for it that long.
      select set_config('lock_timeout', ${`${CANCEL_WAIT_MS}ms`}, true)
    )
    update forgeq.jobs
       set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp())
      from bounded
     where id = ${id} and state = 'running'
    returning 1`)
  return rows.length > 0
}

/** Makes a job that waits for its time pending now. Returns its queue; undefined when it does not wait (any more). */
export async function runJobNow(
  db: Database,
  id: string,
  states: readonly ('scheduled' | 'retrying')[],
): Promise<string | undefined> {
  const [row] = await db.query<{ queue: string }>(sql`
    /* forgeq:run_job_now */
    update forgeq.jobs
       set state = 'pending', run_at = clock_timestamp()
     where id = ${id} and state = any (${states}::text[])
    returning queue`)
  return row?.queue
}

/**
 * Begins a new life of a finished job: it may run its own maximum of times again, its earlier runs stay readable, its
 * key is not taken again. Returns its queue; undefined when no finished job has that id.
 */
export async function reviveJob(db: Database, id: string): Promise<string | undefined> {
  const [row] = await db.query<{ queue: string }>(sql`
    /* forgeq:revive_job */
    with finished as (
      delete from forgeq.finished_jobs as job where job.id = ${id}
      returning job.*,
                to_char(job.started_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as began,
                to_char(job.finished_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as ended
    ), revived as (
      insert into forgeq.jobs (id, queue, type, state, priority, run_at, created_at, payload, attempt, max_attempts, life_start, token,
                  timeout_ms, backoff, tags, idempotency_key, meaning, traceparent, keep_for_ms, error, attempts)
      select id, queue, type, 'pending', priority, clock_timestamp(), created_at, payload, attempt,
             least(attempt::bigint + (max_attempts - life_start), 2147483647)::int, attempt, token,
             timeout_ms, backoff, tags, idempotency_key, meaning, traceparent, keep_for_ms, error,
             case when worker is null then attempts
                  else coalesce(attempts, '[]') || jsonb_build_array(jsonb_build_object('attempt', attempt, 'token', token,
                         'worker', worker, 'started_at', began, 'finished_at', ended, 'outcome', state, 'error', error)) end
        from finished
      returning queue, type
    ), counted as (
      insert into forgeq.count_deltas (queue, type, event, n) select queue, type, 'retried', 1 from revived
    )
    select queue from revived`)
  return row?.queue
}

/** Takes a job that does not run away for good and frees its idempotency key. False when there was nothing to take. */
export async function deleteJob(db: Database, id: string): Promise<boolean> {
  const [row] = await db.query<{ n: number }>(sql`
    /* forgeq:delete_job */
    with live as (
      delete from forgeq.jobs where id = ${id} and state <> 'running' returning id, queue, type
    ), finished as (
      delete from forgeq.finished_jobs where id = ${id} returning id, queue, type
    ), gone as (
      select * from live union all select * from finished
    ), freed as (
      delete from forgeq.idempotency_keys as key using gone where key.job_id = gone.id
    ), counted as (
      insert into forgeq.count_deltas (queue, type, event, n) select queue, type, 'deleted', 1 from gone
    )
    select count(*) as n from gone`)
  return (row?.n ?? 0) > 0
}
