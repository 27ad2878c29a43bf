import type { Database } from './database.ts'
import { sql } from './sql.ts'

/** True when no process has made a pass of this loop within `withinMs`: the caller makes it now, the others skip it. */
export async function takePass(db: Database, { name, withinMs }: { name: string; withinMs: number }): Promise<boolean> {
  const rows = await db.query(sql`
    /* forgeq:take_pass */
    insert into forgeq.loops as loop (name, last_pass_at)
    select ${name}, clock_timestamp()
     where not exists (
       select from forgeq.loops where name = ${name} and last_pass_at > clock_timestamp() - ${withinMs}::bigint * interval '1 ms'
          and last_pass_at < clock_timestamp() + ${withinMs}::bigint * interval '1 ms')
    on conflict (name) do update
       set last_pass_at = excluded.last_pass_at
     where loop.last_pass_at <= clock_timestamp() - ${withinMs}::bigint * interval '1 ms'
        -- Its clock was set back since.
        or loop.last_pass_at >= clock_timestamp() + ${withinMs}::bigint * interval '1 ms'
    returning 1`)
  return rows.length > 0
}

/** Notes that a pass has been made, whenever the last one was; gives its time as text, to be compared only. */
export async function notePass(db: Database, name: string): Promise<string> {
  const [row] = await db.query<{ at: string }>(sql`
    /* forgeq:note_pass */
    insert into forgeq.loops as loop (name, last_pass_at)
    values (${name}, clock_timestamp())
    on conflict (name) do update set last_pass_at = excluded.last_pass_at
    returning last_pass_at::text as at`)
  return row!.at
}

/** The newest pass of a loop, whoever made it. */
export interface LastPass {
  at: string
  /** Negative when the clock was set back since. */
  agoMs: number
}

/** True when somebody has made a pass since; a clock that was set back since hides it. */
export const passedWithin = (last: LastPass | undefined, withinMs: number): boolean =>
  last !== undefined && Math.abs(last.agoMs) < withinMs
