import type { Database } from './database.ts'
import type { LastPass } from './passes.ts'
import { sql } from './sql.ts'

/** What there is to do in the whole store. */
export interface Sight {
  /** Jobs may wait to be leased: by whom, and whether their queues are paused, it does not say. */
  pending: boolean
  /** Jobs may be leased to somebody. */
  leased: boolean
  /** There may be counts that are not rolled up. */
  counted: boolean
  /** In how many milliseconds the next job is due or expires, or the next pause ends; absent when nothing waits for its time. */
  dueMs: number | undefined
  /** In how many milliseconds the next live session expires; absent when there is none. */
  expiryMs: number | undefined
  /** The newest pass of each loop, whoever made it. */
  passes: ReadonlyMap<string, LastPass>
  /** What the look took the store, in milliseconds. */
  tookMs: number
}

interface SightRow {
  pending: boolean
  leased: boolean
  counted: boolean
  due_ms: number | null
  expiry_ms: number | null
  passes: string | null
  took_ms: number
}

/**
 * One look at everything that workers and loops wait for. `guess`: jobs and counts are taken to be there, and not looked
 * for: beside an old transaction that walks over all that was there since.
 */
export async function lookAround(db: Database, { guess }: { guess: boolean }): Promise<Sight> {
  const [row] = await db.query<SightRow>(sql`
    /* forgeq:look_around */
    select ${guess}::boolean or exists (select from forgeq.jobs where state = 'pending') as pending,
           ${guess}::boolean or exists (select from forgeq.jobs where session_id is not null) as leased,
           ${guess}::boolean or exists (select from forgeq.count_deltas) as counted,
           (extract(epoch from least(
             -- Not \`min\`: PostgreSQL 14 reads all of the index for it.
             (select run_at from forgeq.jobs where state in ('scheduled', 'retrying') order by run_at limit 1),
             (select expires_at
                from forgeq.jobs
               where expires_at is not null and state in ('scheduled', 'pending', 'blocked')
                 and attempt = life_start and attempts is null
               order by expires_at
               limit 1),
             (select min(paused_until) from forgeq.queues)
           ) - clock_timestamp()) * 1000)::float8 as due_ms,
           (extract(epoch from (select min(expires_at) from forgeq.sessions where ended_at is null) - clock_timestamp()) * 1000)::float8
             as expiry_ms,
           (select json_object_agg(name, json_build_array(last_pass_at::text, extract(epoch from clock_timestamp() - last_pass_at) * 1000))
              from forgeq.loops) as passes,
           (extract(epoch from clock_timestamp() - statement_timestamp()) * 1000)::float8 as took_ms`)
  const passes = Object.entries(JSON.parse(row?.passes ?? '{}') as Record<string, [at: string, agoMs: number]>)
  return {
    pending: row?.pending ?? true,
    leased: row?.leased ?? true,
    counted: row?.counted ?? true,
    dueMs: row?.due_ms ?? undefined,
    expiryMs: row?.expiry_ms ?? undefined,
    passes: new Map(passes.map(([name, [at, agoMs]]) => [name, { at, agoMs }])),
    tookMs: row?.took_ms ?? 0,
  }
}
