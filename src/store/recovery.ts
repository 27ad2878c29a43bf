import type { Backoff } from '../job/backoff.ts'
import { instantFromPostgres } from '../job/instant.ts'
import type { Instant, JobError, WorkerRef } from '../job/job.ts'
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
import { Fragment, sql } from './sql.ts'

/** A running job whose session has ended, expired or never was. */
export interface LostJob {
  id: string
  /** Its lease: what is decided about it holds for this one only. */
  token: number
  sessionId: string
  queue: string
  attempt: number
  maxAttempts: number
  lifeStart: number
  lost: number
  cancelRequested: boolean
  /** False when it lay in the worker's buffer and certainly never ran. */
  mayHaveStarted: boolean
  /** It was lost before, and this lease of it was started in its worker's own process. */
  suspectStarted: boolean
  /** Another such job was under way in the same worker. */
  besideSuspect: boolean
  /** How often it went back at no attempt because its lease came to nothing. */
  givenBack: number
  backoff?: Backoff
  worker?: WorkerRef
  lastSeenAt?: Instant
  /** Why its session ended. */
  endReason?: string
}

interface LostRow {
  id: string
  token: number
  session_id: string
  queue: string
  attempt: number
  max_attempts: number
  life_start: number
  lost: number
  cancel_requested: boolean
  may_have_started: boolean
  suspect_started: boolean
  beside_suspect: boolean
  given_back: number
  backoff: string | null
  worker: string | null
  last_heartbeat_at: string | null
  end_reason: string | null
}

/**
 * Finds running jobs that no live session holds, but for `except`; or that one. Rows that somebody else has locked are
 * left for the next pass and do not starve the rest.
 *
 * The session is looked up in a subquery of the condition and not joined: when a row has been leased again between the
 * look and the lock, PostgreSQL checks the condition once more for the row as it is now, with the joined row as it was
 * before, and an outer join then takes a live session for a missing one.
 */
export async function lockLostJobs(
  db: Database,
  { limit, except = [], only }: { limit: number; except?: readonly string[]; only?: string },
): Promise<LostJob[]> {
  const rows = await db.query<LostRow>(sql`
    /* forgeq:lock_lost_jobs */
    with recursive holder as (
      -- By leaps over the index: what this costs grows with the workers, not with the jobs that they hold.
      (select session_id from forgeq.jobs where session_id is not null order by session_id limit 1)
      union all
      select (select next.session_id from forgeq.jobs as next where next.session_id > holder.session_id order by next.session_id limit 1)
        from holder
       where holder.session_id is not null
    ), gone as materialized (
      select holder.session_id
        from holder
       where not exists (
         select from forgeq.sessions as session
          where session.id = holder.session_id and session.ended_at is null and session.expires_at > clock_timestamp())
    ), job as materialized (
      select job.id, job.queue, job.token, job.session_id, job.lease_no, job.attempt, job.max_attempts, job.life_start, job.lost,
             job.cancel_requested_at, job.backoff, job.given_back, coalesce(job.quarantine_token = job.token, false) as suspect_started
        from forgeq.jobs as job
       where job.session_id = any (array(select session_id from gone))
         and not job.id = any (${except}::uuid[]) and (${only ?? null}::uuid is null or job.id = ${only ?? null}::uuid)
         and (select session.id
                from forgeq.sessions as session
               where session.id = job.session_id and session.ended_at is null and session.expires_at > clock_timestamp()) is null
       -- Those that a suspect took down see it still there.
       order by job.quarantine_token is not null
       limit ${limit}
         for update skip locked
    ), suspects as materialized (
      -- Once for all: asked for each job, what a worker held would be read as many times as it held jobs.
      select session_id, array_agg(id) as ids
        from forgeq.jobs
       where session_id = any (array(select session_id from gone)) and quarantine_token = token
       group by session_id
    )
    select job.id, job.token, job.session_id, job.queue, job.attempt, job.max_attempts, job.life_start, job.lost,
           job.cancel_requested_at is not null as cancel_requested,
           session.id is null or job.lease_no <= coalesce(starts.upto, 0) as may_have_started,
           job.suspect_started, job.given_back, job.backoff,
           coalesce(job.id <> any (suspects.ids), false) as beside_suspect,
           case when session.id is not null
                then jsonb_build_object('id', session.id, 'name', session.name, 'host', session.host, 'pid', session.pid) end as worker,
           session.last_heartbeat_at, session.end_reason
      from job
      left join suspects on suspects.session_id = job.session_id
      left join forgeq.sessions as session on session.id = job.session_id
      left join forgeq.session_starts as starts on starts.session_id = job.session_id and starts.queue = job.queue`)
  return rows.map((row) => ({
    id: row.id,
    token: row.token,
    sessionId: row.session_id,
    queue: row.queue,
    attempt: row.attempt,
    maxAttempts: row.max_attempts,
    lifeStart: row.life_start,
    lost: row.lost,
    cancelRequested: row.cancel_requested,
    mayHaveStarted: row.may_have_started,
    suspectStarted: row.suspect_started,
    besideSuspect: row.beside_suspect,
    givenBack: row.given_back,
    ...(row.backoff === null ? {} : { backoff: JSON.parse(row.backoff) as Backoff }),
    ...(row.worker === null ? {} : { worker: JSON.parse(row.worker) as WorkerRef }),
    ...(row.last_heartbeat_at === null ? {} : { lastSeenAt: instantFromPostgres(row.last_heartbeat_at) }),
    ...(row.end_reason === null ? {} : { endReason: row.end_reason }),
  }))
}

export interface Recovered {
  id: string
  token: number
  sessionId: string
  state: 'pending' | 'retrying' | 'dead' | 'cancelled'
  delayMs: number
  /** False: it never ran, or is not to blame; its number is given back. */
  counted: boolean
  /** It may have run all the same: so it goes back a few times only. */
  spared?: boolean
  worker?: WorkerRef
  reason?: string
  error?: JobError
}

/**
 * Writes what was decided about jobs that `lockLostJobs` has found. It holds no lock from then to now, so that a process
 * which freezes in between keeps nothing from the others: one whose lease is another by now, whose session lives in the
 * eyes of this newer snapshot, that somebody has asked to cancel since, or has locked, is left alone. Returns the ids of
 * those that were written.
 */
export async function recoverJobs(
  db: Database,
  recovered: readonly Recovered[],
  keeping: Keeping,
): Promise<Set<string>> {
  const rows = recovered.map(({ id, token, sessionId, state, delayMs, counted, spared, worker, reason, error }) => ({
    id,
    token,
    session: sessionId,
    state,
    delay: delayMs,
    counted,
    spared,
    worker,
    reason,
    error,
  }))
  const written = await db.query<{ id: string }>(sql`
    /* forgeq:recover_jobs */
    with decided as materialized (
      select *
        from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
          as d (id uuid, token bigint, session uuid, state text, delay double precision, counted boolean, spared boolean, worker jsonb, reason text, error jsonb)
       where not exists (
         select from forgeq.sessions as live
          where live.id = d.session and live.ended_at is null and live.expires_at > clock_timestamp())
    ), held as materialized (
      select job.id
        from decided
        join forgeq.jobs as job on job.id = any (array[decided.id])
       where job.id = any (array(select id from decided))
         and job.state = 'running' and job.token = any (array[decided.token]) and job.session_id is not distinct from decided.session
         -- Somebody may have asked to cancel since: then it is decided anew.
         and (job.cancel_requested_at is not null) = (decided.state = 'cancelled')
       order by job.id
         for update of job skip locked
    ), ${retention.from}${retentionJson(keeping)}${retention.as}, requeued as (
      -- \`any (array[…])\` and not \`=\`, which can be joined by reading the whole of a table that seems small.
      update forgeq.jobs as job
         set state = decided.state, session_id = null, lease_no = null, started_at = null,
             run_at = case when decided.state = 'pending' then job.run_at else clock_timestamp() + decided.delay * interval '1 ms' end,
             attempt = case when decided.counted then job.attempt else greatest(job.attempt - 1, job.life_start) end,
             lost = job.lost + case when decided.counted then 1 else 0 end,
             given_back = least(job.given_back + case when decided.spared then 1 else 0 end, 32767),
             error = coalesce(decided.error, job.error),
             -- One that is spared has run all the same, and is remembered as given back.
             attempts = case when decided.counted or decided.spared then ${new Fragment(
               attemptsWith({
                 outcome: `case when decided.counted then 'lost' else 'released' end`,
                 worker: 'decided.worker',
                 error: 'decided.error',
                 ranMs: 'null::float8',
               }),
             )} else job.attempts end
        from decided
       where job.id = any (array[decided.id]) and job.id = any (array(select id from held)) and job.state = 'running'
         and decided.state in ('pending', 'retrying')
      returning job.id, job.queue, job.type, decided.counted
    ), ended as (
      delete from forgeq.jobs as job
       using decided
       where job.id = any (array[decided.id]) and job.id = any (array(select id from held)) and job.state = 'running'
         and decided.state in ('dead', 'cancelled')
      returning job.id, job.seq, job.queue, job.type, job.priority, job.run_at, job.created_at, job.expires_at, job.payload,
                case when decided.counted then job.attempt else greatest(job.attempt - 1, job.life_start) end as attempt,
                job.max_attempts, job.life_start, job.lost + case when decided.counted then 1 else 0 end as lost,
                job.token, job.timeout_ms, job.backoff, job.tags, job.idempotency_key, job.meaning, job.traceparent,
                job.keep_for_ms, job.cancel_requested_at, job.progress, job.attempts, decided.counted,
                decided.state as final_state, decided.reason as final_reason, null::jsonb as final_result,
                decided.error as final_error, null::uuid as final_session_id,
                case when decided.counted then decided.worker end as final_worker,
                case when decided.counted then job.started_at end as final_started_at
    ), moved as (${insertFinished}
    ), closed as (${closeKeys}
    ), counted_ends as (${countEnded}
    ), counted as (
      insert into forgeq.count_deltas (queue, type, event, n)
      select queue, type, 'lost', count(*)
        from (select queue, type from requeued where counted union all select queue, type from ended where counted) as lost
       group by queue, type
    )
    select id from requeued
    union all
    select id from moved`)
  return new Set(written.map((row) => row.id))
}

/** Leases that the store holds for a session and its worker does not know of. */
export interface SyncLeases {
  sessionId: string
  /** Leases beyond the newest that the worker has numbered are none of its claims'. */
  upto: number
  /** By token too: a job that still runs under an older lease says nothing of its newest. */
  known: readonly { id: string; token: number }[]
  /** Given back so often, a job whose delivery is lost again is left to recovery, as one of a session that is not there. */
  maxGivenBack: number
}

/**
 * Gives back, at no attempt, what a claim leased whose answer never came: a live session would hold it for ever. Only
 * to be called when no claim of this session can still be under way. Those that somebody asked to cancel are named
 * instead: the worker reports them as released, which ends them.
 */
export async function syncLeases(
  db: Database,
  { sessionId, upto, known, maxGivenBack }: SyncLeases,
): Promise<{ givenBack: number; cancelling: { id: string; token: number }[] }> {
  const rows = await db.query<{ id: string; token: number; cancelling: boolean }>(sql`
    /* forgeq:sync_leases */
    with held as materialized (
      select id
        from forgeq.jobs
       where session_id = ${sessionId}::uuid and lease_no <= ${upto}::bigint
         and not (id || ' ' || token) = any (${known.map(({ id, token }) => `${id} ${token}`)}::text[])
    ), unknown as materialized (
      select job.id, job.token, job.cancel_requested_at is not null as cancelling
        from forgeq.jobs as job
       where job.id = any (array(select id from held)) and job.session_id is not distinct from ${sessionId}::uuid
         -- Leased anew by this very session since the look: not what was lost.
         and job.lease_no <= ${upto}::bigint
       order by job.id
         for update
    ), given_back as (
      update forgeq.jobs as job
         set state = case when job.given_back >= ${maxGivenBack}::int then 'running' else 'pending' end,
             session_id = case when job.given_back >= ${maxGivenBack}::int then '00000000-0000-0000-0000-000000000000'::uuid end,
             lease_no = case when job.given_back >= ${maxGivenBack}::int then job.lease_no end,
             started_at = case when job.given_back >= ${maxGivenBack}::int then job.started_at end,
             attempt = case when job.given_back >= ${maxGivenBack}::int then job.attempt else greatest(job.attempt - 1, job.life_start) end,
             given_back = least(job.given_back + 1, 32767)
       where job.id = any (array(select id from unknown where not cancelling))
    )
    select id, token, cancelling from unknown`)
  return {
    givenBack: rows.filter((row) => !row.cancelling).length,
    cancelling: rows.filter((row) => row.cancelling).map(({ id, token }) => ({ id, token })),
  }
}
