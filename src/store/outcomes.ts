import type { JobError, WorkerRef } from '../job/job.ts'
import type { FinalState } from '../job/state.ts'
import type { Database } from './database.ts'
import {
  attemptsWith,
  closeKeys,
  countEnded,
  insertFinished,
  type Keeping,
  retention,
  retentionJson,
} from './history.ts'
import { Fragment, fragment, sql } from './sql.ts'

/** Who reports: the session that holds the leases, and how its worker is shown. */
export interface Reporter {
  sessionId: string
  worker: WorkerRef
}

export interface FinishedOutcome {
  id: string
  token: number
  state: FinalState
  reason?: string
  /** JSON text; absent means `null`. */
  resultJson?: string
  error?: JobError
  /** How long the handler ran by the worker's monotonic clock; absent when it never started. */
  ranMs?: number
}

export interface RequeuedOutcome {
  id: string
  token: number
  state: 'retrying' | 'scheduled' | 'pending'
  /** From now until it is due, by the database's clock. */
  delayMs: number
  /** False for a snooze and a release: the run's number is given back. */
  counted: boolean
  /** How the run is remembered; absent for one that never started. */
  outcome?: 'failed' | 'snoozed' | 'released' | 'lost'
  error?: JobError
  ranMs?: number
}

/** The state that an accepted outcome left its job in, by id. */
export type Accepted = ReadonlyMap<string, string>

const accepted = (rows: { id: string; state: string }[]): Accepted => new Map(rows.map(({ id, state }) => [id, state]))

/** A result goes in as the text that it is, so that no digit is lost. Put together by hand: it runs once for each job. */
function finishedJson({ id, token, state, reason, resultJson, error, ranMs }: FinishedOutcome): string {
  let json = `{"id":"${id}","token":${token},"state":"${state}"`
  if (reason !== undefined) json += `,"reason":${JSON.stringify(reason)}`
  if (error !== undefined) json += `,"error":${JSON.stringify(error)}`
  if (ranMs !== undefined) json += `,"ran":${ranMs}`
  // SQL's null and JSON's are the same to the record: most handlers return nothing.
  if (resultJson !== undefined && resultJson !== 'null') json += `,"result":${resultJson}`
  return `${json}}`
}

/**
 * Ends the jobs whose lease still holds and moves them to history. Answers with those that were accepted; a job that
 * has been leased again, cancelled away or recovered meanwhile is not among them. A failed run of a job that somebody
 * asked to cancel ends `cancelled`; a value that it returned all the same stands. Jobs with an idempotency key go
 * through `finishKeyedJobs`, so that this statement never touches the keys.
 */
export async function finishJobs(
  db: Database,
  reporter: Reporter,
  outcomes: readonly FinishedOutcome[],
  keeping: Keeping,
): Promise<Accepted> {
  return finish(db, reporter, outcomes, keeping, new Fragment('/* forgeq:finish_jobs */'), new Fragment(''))
}

/** As `finishJobs`, for jobs with an idempotency key: the key begins to count down in the same statement. */
export async function finishKeyedJobs(
  db: Database,
  reporter: Reporter,
  outcomes: readonly FinishedOutcome[],
  keeping: Keeping,
): Promise<Accepted> {
  return finish(
    db,
    reporter,
    outcomes,
    keeping,
    new Fragment('/* forgeq:finish_keyed_jobs */'),
    fragment`, closed as (${closeKeys}
    )`,
  )
}

async function finish(
  db: Database,
  { sessionId, worker }: Reporter,
  outcomes: readonly FinishedOutcome[],
  keeping: Keeping,
  name: Fragment,
  closing: Fragment,
): Promise<Accepted> {
  return accepted(
    await db.query(sql`
    ${name}
    with outcome as materialized (
      select * from jsonb_to_recordset(${`[${outcomes.map(finishedJson).join(',')}]`}::text::jsonb)
        as o (id uuid, token bigint, state text, reason text, result jsonb, error jsonb, ran double precision)
    ), ${retention.from}${retentionJson(keeping)}${retention.as}, batch as materialized (
      -- An array of ids, not a join: a planner that finds the table small would read all of it.
      select jsonb_object_agg(id || ' ' || token, null) as leases from outcome
    ), deleted as (
      delete from forgeq.jobs as job
       where job.id = any (array(select id from outcome)) and (select leases from batch) ? (job.id || ' ' || job.token) and job.state = 'running'
         -- Not \`=\`: that would let the planner answer from jobs_by_session, a scan of its dead entries for each outcome.
         and job.session_id is not distinct from ${sessionId}::uuid
      returning job.id, job.seq, job.queue, job.type, job.priority, job.run_at, job.created_at, job.expires_at, job.payload,
                job.attempt, job.max_attempts, job.life_start, job.lost as lost_before, job.token, job.timeout_ms, job.backoff, job.tags,
                job.idempotency_key, job.meaning, job.traceparent, job.keep_for_ms, job.cancel_requested_at, job.progress,
                job.attempts, job.session_id as final_session_id
    ), ended as (
      select job.*, job.lost_before + case when outcome.reason = 'lost' then 1 else 0 end as lost,
             case when job.cancel_requested_at is not null and outcome.state <> 'completed' then 'cancelled' else outcome.state end as final_state,
             case when job.cancel_requested_at is not null and outcome.state <> 'completed' then 'cancelled' else outcome.reason end as final_reason,
             case when outcome.state = 'completed' then coalesce(outcome.result, 'null') end as final_result,
             outcome.error as final_error,
             case when outcome.ran is not null then ${JSON.stringify(worker)}::text::jsonb end as final_worker,
             case when outcome.ran is not null then (select now from retention) - outcome.ran * interval '1 ms' end as final_started_at
        from deleted as job
        join outcome on outcome.id = job.id and outcome.token = job.token
    ), moved as (${insertFinished}
    ), counted as (${countEnded}
    ), counted_lost as (
      insert into forgeq.count_deltas (queue, type, event, n)
      select queue, type, 'lost', count(*) from ended where lost > lost_before group by queue, type
    )${closing}
    select id, state from moved`),
  )
}

/**
 * Gives jobs whose lease still holds another turn: after a failure, a snooze, a release. One that somebody asked to
 * cancel ends `cancelled` instead. Answers with those that were accepted.
 */
export async function requeueJobs(
  db: Database,
  { sessionId, worker }: Reporter,
  outcomes: readonly RequeuedOutcome[],
  keeping: Keeping,
): Promise<Accepted> {
  const rows = outcomes.map(({ id, token, state, delayMs, counted, outcome, error, ranMs }) => ({
    id,
    token,
    state,
    delay: delayMs,
    counted,
    outcome,
    error,
    ran: ranMs,
  }))
  // The rows are locked first, so that both branches below see one and the same wish to cancel.
  return accepted(
    await db.query(sql`
    /* forgeq:requeue_jobs */
    with outcome as materialized (
      select * from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
        as o (id uuid, token bigint, state text, delay double precision, counted boolean, outcome text, error jsonb, ran double precision)
    ), ${retention.from}${retentionJson(keeping)}${retention.as}, reporter as materialized (
      select ${JSON.stringify(worker)}::text::jsonb as worker
    ), batch as materialized (
      select jsonb_object_agg(id || ' ' || token, null) as leases from outcome
    ), locked as materialized (
      select job.id, job.token, job.cancel_requested_at is not null as cancelled
        from forgeq.jobs as job
       where job.id = any (array(select id from outcome)) and (select leases from batch) ? (job.id || ' ' || job.token) and job.state = 'running'
         and job.session_id is not distinct from ${sessionId}::uuid
       order by job.id
         for update of job
    ), held as materialized (
      select locked.id, locked.cancelled, outcome.state, outcome.delay, outcome.counted, outcome.outcome, outcome.error, outcome.ran
        from locked
        join outcome on outcome.id = locked.id and outcome.token = locked.token
    ), requeued as (
      -- \`any (array[…])\` and not \`=\`, which can be joined by reading the whole of a table that seems small.
      update forgeq.jobs as job
         set state = held.state, run_at = case when held.state = 'pending' then job.run_at else clock_timestamp() + held.delay * interval '1 ms' end,
             attempt = case when held.counted then job.attempt else greatest(job.attempt - 1, job.life_start) end,
             session_id = null, lease_no = null, started_at = null,
             lost = job.lost + case when held.outcome = 'lost' then 1 else 0 end,
             error = coalesce(held.error, job.error),
             attempts = case when held.outcome is null then job.attempts else ${new Fragment(
               attemptsWith({
                 outcome: 'held.outcome',
                 worker: '(select worker from reporter)',
                 error: 'held.error',
                 ranMs: 'held.ran',
               }),
             )} end
        from held
       where job.id = any (array[held.id]) and not held.cancelled and job.state = 'running'
      returning job.id, job.queue, job.type, job.state, held.outcome
    ), ended as (
      delete from forgeq.jobs as job
       using held
       where job.id = any (array[held.id]) and held.cancelled
      returning job.id, job.seq, job.queue, job.type, job.priority, job.run_at, job.created_at, job.expires_at, job.payload,
                -- One that never ran gives its number back here too.
                case when held.counted or held.outcome is not null then job.attempt else greatest(job.attempt - 1, job.life_start) end as attempt,
                job.max_attempts, job.life_start, job.lost, job.token, job.timeout_ms, job.backoff, job.tags,
                job.idempotency_key, job.meaning, job.traceparent, job.keep_for_ms, job.cancel_requested_at, job.progress,
                job.attempts, 'cancelled' as final_state, 'cancelled' as final_reason, null::jsonb as final_result,
                held.error as final_error, job.session_id as final_session_id,
                case when held.outcome is not null then (select worker from reporter) end as final_worker,
                case when held.outcome is not null then coalesce((select now from retention) - held.ran * interval '1 ms', job.started_at) end as final_started_at
    ), moved as (${insertFinished}
    ), closed as (${closeKeys}
    ), counted_ends as (${countEnded}
    ), counted as (
      insert into forgeq.count_deltas (queue, type, event, n)
      select queue, type, outcome, count(*) from requeued where outcome is not null group by queue, type, outcome
    )
    select id, state from requeued
    union all
    select id, state from moved`),
  )
}

/**
 * Which of these outcomes had been accepted before: the answer to an outcome may be lost after the store took it, and
 * the same one sent again is accepted again; a run that recovery has ended is not among them. Looked for in a second statement, whose snapshot sees the first one's work.
 */
export async function acceptedBefore(
  db: Database,
  sessionId: string,
  outcomes: readonly { id: string; token: number }[],
): Promise<Accepted> {
  const asked = JSON.stringify(outcomes.map(({ id, token }) => ({ id, token })))
  return accepted(
    await db.query(sql`
    /* forgeq:accepted_before */
    with asked as materialized (
      select * from jsonb_to_recordset(${asked}::text::jsonb) as a (id uuid, token bigint)
    )
    select job.id, job.state
      from asked
      join forgeq.all_jobs as job on job.id = any (array[asked.id])
     where (job.state in ('completed', 'dead', 'cancelled') and job.token = asked.token and job.session_id = ${sessionId}::uuid)
        -- The job has gone on since, and may have ended.
        or exists (
         select from jsonb_array_elements(job.attempts) as run
          where run @> jsonb_build_object('token', asked.token, 'worker', jsonb_build_object('id', ${sessionId}::text))
            -- What recovery has ended, however it ended, was accepted from nobody; a worker's own word that its child was lost is one.
            and case when run ->> 'outcome' = 'lost' then run #>> '{error,name}' = 'ProcessLost'
                     when run ->> 'outcome' in ('dead', 'cancelled', 'released') then run #>> '{error,name}' is distinct from 'LeaseExpired'
                     else true end)`),
  )
}
