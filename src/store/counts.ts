import type { Database } from './database.ts'
import { sql } from './sql.ts'

/** What is counted: an enqueue, the end of a job, the end of a run that did not end its job, acts of people. */
export interface EventCount {
  queue: string
  type: string
  event: string
  n: number
}

/** Adds up what the batches have counted since the last pass, by minute and for ever. Returns how many rows it took. */
export async function rollUpCounts(db: Database, { limit }: { limit: number }): Promise<number> {
  const [row] = await db.query<{ n: number }>(sql`
    /* forgeq:roll_up_counts */
    with taken as materialized (
      select ctid from forgeq.count_deltas limit ${limit} for update skip locked
    ), delta as (
      delete from forgeq.count_deltas as delta
       using taken
       where delta.ctid = taken.ctid
      returning date_trunc('minute', delta.at) as minute, delta.queue, delta.type, delta.event, delta.n
    ), minutes as (
      insert into forgeq.count_minutes as kept (minute, queue, type, event, n)
      select minute, queue, type, event, sum(n) from delta group by minute, queue, type, event order by minute, queue, type, event
      on conflict (minute, queue, type, event) do update set n = kept.n + excluded.n
    ), totals as (
      insert into forgeq.count_totals as kept (queue, type, event, n)
      select queue, type, event, sum(n) from delta group by queue, type, event order by queue, type, event
      on conflict (queue, type, event) do update set n = kept.n + excluded.n
    )
    select count(*) as n from delta`)
  return row?.n ?? 0
}

/** Every count since the store was made, with what no pass has rolled up yet. */
export async function countTotals(db: Database): Promise<EventCount[]> {
  return db.query<EventCount>(sql`
    /* forgeq:count_totals */
    select queue, type, event, sum(n)::bigint as n
      from (select queue, type, event, n from forgeq.count_totals
            union all
            select queue, type, event, n from forgeq.count_deltas) as counted
     group by queue, type, event`)
}

/** What happened in about the last minute (the last full one and the running one), and over how many seconds. */
export async function recentCounts(db: Database): Promise<(EventCount & { seconds: number })[]> {
  return db.query<EventCount & { seconds: number }>(sql`
    /* forgeq:recent_counts */
    with since as materialized (
      select date_trunc('minute', clock_timestamp()) - interval '1 minute' as at
    )
    select queue, type, event, sum(n)::bigint as n, extract(epoch from clock_timestamp() - (select at from since))::float8 as seconds
      from (select queue, type, event, n from forgeq.count_minutes where minute >= (select at from since)
            union all
            select queue, type, event, n from forgeq.count_deltas where at >= (select at from since)) as counted
     group by queue, type, event`)
}

/** Forgets minutes older than `keepMs`. */
export async function pruneMinutes(db: Database, { keepMs }: { keepMs: number }): Promise<number> {
  const rows = await db.query(sql`
    /* forgeq:prune_minutes */
    delete from forgeq.count_minutes where minute < (select clock_timestamp() - ${keepMs}::bigint * interval '1 ms') returning 1`)
  return rows.length
}
