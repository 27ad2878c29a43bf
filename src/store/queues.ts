import { instantFromPostgres } from '../job/instant.ts'
import type { Instant } from '../job/job.ts'
import type { JobState } from '../job/state.ts'
import type { Database } from './database.ts'
import { sql } from './sql.ts'

export interface QueuePause {
  name: string
  since: Instant
  until?: Instant
  by?: string
  reason?: string
}

interface PauseRow {
  name: string
  paused_at: string
  paused_until: string | null
  paused_by: string | null
  paused_reason: string | null
}

/** Pauses a queue, or changes why and until when it is paused. */
export async function pauseQueue(
  db: Database,
  name: string,
  { reason, by, until }: { reason?: string; by?: string; until?: Instant },
): Promise<void> {
  await db.query(sql`
    /* forgeq:pause_queue */
    insert into forgeq.queues as queue (name, paused_at, paused_until, paused_by, paused_reason)
    values (${name}, clock_timestamp(), ${until ?? null}, ${by ?? null}, ${reason ?? null})
    on conflict (name) do update
       set paused_at = case when queue.paused_until <= excluded.paused_at then excluded.paused_at
                            else coalesce(queue.paused_at, excluded.paused_at) end,
           paused_until = excluded.paused_until,
           paused_by = excluded.paused_by, paused_reason = excluded.paused_reason`)
}

/** Lets a queue go on. Harmless when it is not paused. */
export async function resumeQueue(db: Database, name: string): Promise<void> {
  await db.query(sql`
    /* forgeq:resume_queue */
    update forgeq.queues
       set paused_at = null, paused_until = null, paused_by = null, paused_reason = null
     where name = ${name} and paused_at is not null`)
}

/** Forgets pauses whose time is over. Returns the queues that go on. */
export async function endPauses(db: Database): Promise<string[]> {
  const rows = await db.query<{ name: string }>(sql`
    /* forgeq:end_pauses */
    update forgeq.queues
       set paused_at = null, paused_until = null, paused_by = null, paused_reason = null
     where paused_until <= clock_timestamp()
    returning name`)
  return rows.map((row) => row.name)
}

/** Every pause that is in force. */
export async function listPauses(db: Database): Promise<QueuePause[]> {
  const rows = await db.query<PauseRow>(sql`
    /* forgeq:list_pauses */
    select name, paused_at, paused_until, paused_by, paused_reason
      from forgeq.queues
     where paused_at is not null and (paused_until is null or paused_until > clock_timestamp())`)
  return rows.map((row) => ({
    name: row.name,
    since: instantFromPostgres(row.paused_at),
    ...(row.paused_until === null ? {} : { until: instantFromPostgres(row.paused_until) }),
    ...(row.paused_by === null ? {} : { by: row.paused_by }),
    ...(row.paused_reason === null ? {} : { reason: row.paused_reason }),
  }))
}

export interface Depth {
  queue: string
  type: string
  state: JobState
  n: number
  oldestSeconds: number | null
}

/** Exact counts of the live jobs, by queue, type and state; `oldestSeconds` is how long the first pending one has been due. */
export async function countLive(db: Database): Promise<Depth[]> {
  return db.query<Depth>(sql`
    /* forgeq:count_live */
    select queue, type, state, count(*) as n,
           case when state = 'pending' then greatest(0, extract(epoch from clock_timestamp() - min(run_at)))::float8 end as "oldestSeconds"
      from forgeq.jobs
     group by queue, type, state`)
}

/** How many dead jobs the history holds, by queue. */
export async function countDead(db: Database): Promise<{ queue: string; n: number }[]> {
  return db.query<{ queue: string; n: number }>(sql`
    /* forgeq:count_dead */
    select queue, count(*) as n from forgeq.finished_jobs where state = 'dead' group by queue`)
}

/** The names that anything is known of: live or counted jobs, settings. */
export async function queueNames(db: Database): Promise<string[]> {
  const rows = await db.query<{ name: string }>(sql`
    /* forgeq:queue_names */
    select name from forgeq.queues
    union
    select queue from forgeq.count_totals
    union
    select queue from forgeq.count_deltas
    order by 1`)
  return rows.map((row) => row.name)
}

/** How many pending jobs of a queue would start before this one, counted up to `limit`. */
export async function countAhead(
  db: Database,
  { queue, id, limit }: { queue: string; id: string; limit: number },
): Promise<number> {
  const [row] = await db.query<{ n: number }>(sql`
    /* forgeq:count_ahead */
    select count(*) as n
      from (select from forgeq.jobs as ahead
             join forgeq.jobs as job on job.id = ${id}
             where ahead.state = 'pending' and ahead.queue = ${queue}
               and (ahead.priority > job.priority
                    or (ahead.priority = job.priority and (ahead.run_at, ahead.seq) < (job.run_at, job.seq)))
             limit ${limit}) as ahead`)
  return row?.n ?? 0
}
