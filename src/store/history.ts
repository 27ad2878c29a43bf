import { Fragment, fragment } from './sql.ts'

/** How long finished jobs stay, in milliseconds, by the state that they ended in. */
export interface Keeping {
  completedMs: number
  cancelledMs: number
  deadMs: number
  /** How long an idempotency key lives past its job's end. */
  idempotencyMs: number
}

/** The value that the CTE `retention` reads. */
export const retentionJson = (keeping: Keeping): string =>
  JSON.stringify({
    completed_ms: keeping.completedMs,
    cancelled_ms: keeping.cancelledMs,
    dead_ms: keeping.deadMs,
    key_ms: keeping.idempotencyMs,
  })

const lastDay = (keptMs: string) => new Fragment(`((now + ${keptMs} * interval '1 ms') at time zone 'utc')::date`)
const retentionFrom = fragment`retention as materialized (
      -- One moment and one day for all that end here: worked out for each job they would cost more than its delete.
      select now, ${lastDay('completed_ms')} as completed_day, ${lastDay('cancelled_ms')} as cancelled_day, ${lastDay('dead_ms')} as dead_day, key_ms
        from (select clock_timestamp() as now) as moment, jsonb_to_record(`
const retentionAs = fragment`::text::jsonb) as r (completed_ms bigint, cancelled_ms bigint, dead_ms bigint, key_ms bigint)
    )`
/** The two halves of the CTE `retention`, around its bound value: when things end here, and how long they stay. */
export const retention = { from: retentionFrom, as: retentionAs }

/** The most runs that are kept of one job; beyond that the oldest goes, so that a job of 10,000 runs stays readable. */
export const KEPT_ATTEMPTS = 1000

/** An instant as the wire writes it. */
const rfc3339 = (expression: string) => `to_char((${expression}) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

/**
 * The run of `job` that is ending, appended to those before it. `outcome`, `worker` and `error` are SQL expressions of
 * the statement around; `ranMs` is how long the handler ran by the worker's monotonic clock, or null.
 */
export const attemptsWith = ({
  outcome,
  worker,
  error,
  ranMs,
}: {
  outcome: string
  worker: string
  error: string
  ranMs: string
}) => {
  const started = `coalesce(clock_timestamp() - ${ranMs} * interval '1 ms', job.started_at)`
  return `(case when jsonb_array_length(coalesce(job.attempts, '[]')) >= ${KEPT_ATTEMPTS} then job.attempts - 0 else coalesce(job.attempts, '[]') end)
         || jsonb_build_array(jsonb_build_object('attempt', job.attempt, 'token', job.token, 'worker', ${worker},
              'started_at', ${rfc3339(started)}, 'finished_at', ${rfc3339('clock_timestamp()')},
              'outcome', ${outcome}, 'error', ${error}))`
}

/**
 * From the rows `ended` (the deleted live rows as `job.*`, and `final_state, final_reason, final_result, final_error,
 * final_worker, final_session_id, final_started_at`) into the history. Every road to an end goes through here.
 */
export const insertFinished = fragment`
    insert into forgeq.finished_jobs (id, seq, queue, type, state, reason, priority, run_at, created_at, expires_at, started_at,
                finished_at, payload, result, attempt, max_attempts, life_start, lost, token, session_id, worker, timeout_ms,
                backoff, tags, idempotency_key, meaning, traceparent, keep_for_ms, cancel_requested_at, progress, error,
                attempts, delete_after)
    select id, seq, queue, type, final_state, final_reason, priority, run_at, created_at, expires_at, final_started_at,
           greatest((select now from retention), final_started_at), payload, final_result, attempt, max_attempts, life_start, lost, token, final_session_id,
           final_worker, timeout_ms, backoff, tags, idempotency_key, meaning, traceparent, keep_for_ms, cancel_requested_at,
           progress, final_error, attempts,
           case when keep_for_ms is not null then (((select now from retention) + keep_for_ms * interval '1 ms') at time zone 'utc')::date
                when final_state = 'completed' then (select completed_day from retention)
                when final_state = 'dead' then (select dead_day from retention)
                else (select cancelled_day from retention) end
      from ended
    returning id, queue, type, state, idempotency_key`

/** A key lives on for a while after its job's end; from now on it counts down. Reads `moved`, what `insertFinished` gave. */
export const closeKeys = fragment`
    update forgeq.idempotency_keys as key
       set state = moved.state, expires_at = clock_timestamp() + (select key_ms from retention) * interval '1 ms'
      from moved
     -- Not \`=\`: to join in the order of an index the planner may read all of it.
     where key.key = any (array[moved.idempotency_key]) and key.job_id = any (array[moved.id])`

/** One row a kind, for the loop that rolls them up. Reads `moved`. */
export const countEnded = fragment`
    insert into forgeq.count_deltas (queue, type, event, n)
    select queue, type, state, count(*) from moved group by queue, type, state
    returning n`
