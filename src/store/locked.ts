import type { Database } from './database.ts'
import { sql } from './sql.ts'

/** Which of these jobs somebody else has locked now. */
export async function lockedJobs(db: Database, ids: readonly string[]): Promise<Set<string>> {
  const rows = await db.query<{ id: string }>(sql`
    /* forgeq:locked_jobs */
    with free as materialized (
      select id from forgeq.jobs where id = any (${ids}::uuid[]) for update skip locked
    )
    select id from forgeq.jobs where id = any (${ids}::uuid[]) and not id = any (array(select id from free))`)
  return new Set(rows.map((row) => row.id))
}
