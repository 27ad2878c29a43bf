import { instantFromMicros } from './instants.ts'
import type { Database } from './database.ts'
import {
  type Lane,
  type LeasedJob,
  leasedFromRow,
  type LeasedRow,
  type Position,
  USUAL_ATTEMPTS,
} from './leased-job.ts'
import { fragment, sql } from './sql.ts'

export interface LaneClaim extends Lane {
  /** A hint that keeps the scan off dead index entries while some snapshot pins them; null looks from the start. */
  after: Position | null
}

/** So many priorities of a queue and type are looked at: the highest. */
export const PRIORITIES_AT_ONCE = 16

/**
 * The lanes that hold pending jobs, found by leaps over the index: its cost grows with the number of lanes, not with
 * the jobs in them. `queues` null means every queue. Of a queue and type with more priorities than
 * `PRIORITIES_AT_ONCE` the highest are told; `partial` says that there may be more.
 */
export async function findLanes(
  db: Database,
  { queues, types }: { queues: string[] | null; types: string[] },
): Promise<{ lanes: Lane[]; partial: boolean }> {
  const rows = await db.query<Lane & { rank: number }>(sql`
    /* forgeq:find_lanes */
    with recursive lane as (
      (select queue, type, priority, 1 as rank
         from forgeq.jobs
        where state = 'pending'
        order by queue, type, priority desc
        limit 1)
      union all
      select next.queue, next.type, next.priority, next.rank
        from lane
       cross join lateral (
         (select queue, type, priority, lane.rank + 1 as rank
            from forgeq.jobs
           where state = 'pending' and queue = lane.queue and type = lane.type and priority < lane.priority
             and lane.rank < ${PRIORITIES_AT_ONCE}::int
           order by priority desc
           limit 1)
         union all
         (select queue, type, priority, 1 as rank
            from forgeq.jobs
           where state = 'pending' and (queue, type) > (lane.queue, lane.type)
           order by queue, type, priority desc
           limit 1)
         limit 1
       ) as next
    )
    select queue, type, priority, rank
      from lane
     where type = any (${types}::text[]) and (${queues}::text[] is null or queue = any (${queues}::text[]))`)
  return {
    lanes: rows.map(({ queue, type, priority }) => ({ queue, type, priority })),
    partial: rows.some(({ rank }) => rank >= PRIORITIES_AT_ONCE),
  }
}

export interface ClaimJobs {
  sessionId: string
  lanes: readonly LaneClaim[]
  limit: number
  /** Leases of a session are numbered in the order in which they are to start; these from here on. */
  nextLeaseNo: number
  /** So many of the jobs leased now may be started before the worker notes more. */
  startable: number
  /** False: leaves out the jobs that were lost before. */
  suspects?: boolean
}

/** Those of the highest priority may fill the claim alone, so they are looked at deeper than the others. */
function depthOf(lanes: readonly LaneClaim[], limit: number): (priority: number) => number {
  const highest = Math.max(...lanes.map(({ priority }) => priority))
  const first = lanes.filter(({ priority }) => priority === highest).length
  const among = (n: number) => Math.max(1, Math.min(limit, Math.ceil((10 * limit) / n)))
  return (priority) => among(priority === highest ? first : lanes.length)
}

/** Beyond so many lanes a claim may come back short although there is more. */
export const LANES_SEEN_WHOLE = 10

/** More losses than any job survives. */
const MOST_LOST = 1_000_000

/** Not over before its first start. */
const inTime = fragment`(job.expires_at is null or job.expires_at > clock_timestamp() or job.attempt > job.life_start or job.attempts is not null)`

/** What differs between a claim from one lane, whose jobs come in their order, and from several, which are merged. */
const oneLane = {
  share: fragment`select n, q, t, p, at, seq, x, most as take from lane`,
  order: fragment``,
  lane: fragment`null::integer`,
  // A full claim goes on behind its last job.
  last: fragment`job.lease_no = `,
}

/**
 * Of several lanes the heads are merged first, without locks: how many of the best jobs lie in each. Where a lane was not
 * looked at to the end, nothing is taken that comes behind what was seen of it.
 */
const severalLanes = {
  order: fragment`order by priority desc, run_at, seq`,
  lane: fragment`numbered.lane`,
  last: fragment`job.lease_no <= `,
  share: fragment`select n, q, t, p, at, seq, x, count(*) as take
        from (select merged.*, min(nth) filter (where k = d and d < most) over () as seen
                from (select lane.*, head.k, row_number() over (order by lane.p desc, head.run_at, head.seq) as nth
                from lane
               cross join lateral (
                 select job.run_at, job.seq, row_number() over (order by job.run_at, job.seq) as k
                   from forgeq.jobs as job
                  where job.state = 'pending' and job.queue = lane.q and job.type = lane.t and job.priority = lane.p
                    and (job.run_at, job.seq) > (lane.at, lane.seq)
                    and ${inTime} and job.lost <= lane.x
                  order by job.run_at, job.seq
                  limit lane.d
               ) as head) as merged) as best
       where nth <= most and nth <= coalesce(seen, nth)
       group by n, q, t, p, at, seq, x`,
}

/**
 * Leases up to `limit` pending jobs to a live session, the first of all the lanes together by priority, due time and
 * seq, and notes how many of them may be started at once. Jobs locked by a concurrent claim are skipped, so claims
 * never wait for each other. Answers in the order in which they are to start.
 */
export async function claimJobs(db: Database, claim: ClaimJobs): Promise<LeasedJob[]> {
  const { sessionId, lanes, limit, nextLeaseNo, startable, suspects = true } = claim
  // Beyond 10 lanes each is looked at less deep, so that a claim reads at most about 20 rows for each that it leases.
  const depth = depthOf(lanes, limit)
  const laneRows = lanes.map(({ queue, type, priority, after }, n) => ({
    n,
    q: queue,
    t: type,
    p: priority,
    at: after && instantFromMicros(after.runAtUs),
    seq: after?.seq,
    d: depth(priority),
    most: limit,
    x: suspects ? MOST_LOST : 0,
  }))
  // `materialized` is a fence: without it the planner may run a limited part once a row and lease the whole queue.
  // The array of ids beside the join: without it a planner that finds the table small reads all that waits.
  const { share, order, lane, last } = lanes.length === 1 ? oneLane : severalLanes
  const statement = sql`
    /* forgeq:claim_jobs */
    with session as materialized (
      select id
        from forgeq.sessions
       where id = ${sessionId} and ended_at is null and expires_at > clock_timestamp()
    ), lane as materialized (
      select lane.n, lane.q, lane.t, lane.p, coalesce(lane.at, '-infinity') as at, coalesce(lane.seq, 0) as seq, lane.d, lane.most, lane.x
        from session, jsonb_to_recordset(${JSON.stringify(laneRows)}::text::jsonb) as lane (n int, q text, t text, p smallint, at timestamptz, seq bigint, d int, most int, x int)
       where not exists (
         select from forgeq.queues as queue
          where queue.name = lane.q and queue.paused_at is not null
            and (queue.paused_until is null or queue.paused_until > clock_timestamp()))
    ), share as materialized (
      ${share}
    ), next as materialized (
      select share.n as lane, share.q as queue, share.p as priority, locked.id, locked.run_at, locked.seq
        from share
       cross join lateral (
         select job.id, job.run_at, job.seq
           from forgeq.jobs as job
          where job.state = 'pending' and job.queue = share.q and job.type = share.t and job.priority = share.p
            and (job.run_at, job.seq) > (share.at, share.seq)
            and ${inTime} and job.lost <= share.x
          order by job.run_at, job.seq
          limit share.take
            for update skip locked
       ) as locked
    ), numbered as materialized (
      select id, lane, queue, ${nextLeaseNo}::bigint - 1 + row_number() over (${order}) as lease_no
        from next
    ), noted as (
      insert into forgeq.session_starts as starts (session_id, queue, upto)
      select ${sessionId}, queue, least(max(lease_no), ${nextLeaseNo}::bigint - 1 + ${startable}::bigint)
        from numbered
       where ${startable}::bigint > 0 -- a note covers all leases before it, also those that still lie in the buffer
       group by queue
      on conflict (session_id, queue) do update set upto = greatest(starts.upto, excluded.upto)
    )
    update forgeq.jobs as job
       set state = 'running', attempt = job.attempt + 1, token = job.token + 1, session_id = ${sessionId},
           lease_no = numbered.lease_no, started_at = clock_timestamp()
      from numbered
     where job.id = numbered.id and job.id = any (array(select id from numbered))
    returning job.id, job.payload, job.lease_no, date_part('epoch', job.run_at) as run_at, ${lane} as lane,
              case when ${last}${nextLeaseNo + limit - 1}::bigint then job.seq end as seq,
              nullif(job.attempt, 1) as attempt, nullif(job.token, 1) as token,
              case when job.created_at <> job.run_at then date_part('epoch', job.created_at) end as created_at,
              case when job.lease_no = ${nextLeaseNo}::bigint then date_part('epoch', job.started_at) end as started_at,
              case when job.max_attempts <> ${USUAL_ATTEMPTS}::int or job.life_start > 0 or job.lost > 0 or cardinality(job.tags) > 0
                     or num_nonnulls(job.idempotency_key, job.timeout_ms, job.backoff, job.traceparent) > 0
                   then jsonb_build_object('max_attempts', job.max_attempts, 'life_start', job.life_start, 'lost', job.lost,
                          'tags', job.tags, 'keyed', job.idempotency_key is not null, 'timeout_ms', job.timeout_ms,
                          'backoff', job.backoff, 'traceparent', job.traceparent) end as rare`
  const rows = await db.query<LeasedRow>({ ...statement, rowsAsArrays: true })
  rows.sort((a, b) => a[2] - b[2])
  const claimedAt = rows[0]?.[9] ?? 0
  return rows.map((row) => leasedFromRow(row, lanes[row[4] ?? 0]!, claimedAt))
}

/**
 * Notes that leases up to `upto` may be started; awaited before any of them starts, so that recovery knows which
 * buffered jobs certainly never did. False when the session has ended.
 */
export async function noteStarts(
  db: Database,
  { sessionId, queue, upto }: { sessionId: string; queue: string; upto: number },
): Promise<boolean> {
  const rows = await db.query(sql`
    /* forgeq:note_starts */
    insert into forgeq.session_starts as starts (session_id, queue, upto)
    select session.id, ${queue}, ${upto}::bigint
      from forgeq.sessions as session
     where session.id = ${sessionId} and session.ended_at is null and session.expires_at > clock_timestamp()
    on conflict (session_id, queue) do update set upto = greatest(starts.upto, excluded.upto)
    returning 1`)
  return rows.length > 0
}

/** The queues that are paused now. */
export async function pausedQueues(db: Database): Promise<string[]> {
  const rows = await db.query<{ name: string }>(sql`
    /* forgeq:paused_queues */
    select name
      from forgeq.queues
     where paused_at is not null and (paused_until is null or paused_until > clock_timestamp())`)
  return rows.map((row) => row.name)
}
