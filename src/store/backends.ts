import type { Database } from './database.ts'
import { sql } from './sql.ts'

/**
 * Whether a backend of ours still lives; it is told to end, so that a statement whose answer nobody reads any more
 * cannot commit later. A number that another connection of ours has been given since would be ended too: it reconnects.
 */
export async function backendLives(db: Database, pid: number): Promise<boolean> {
  const [row] = await db.query<{ lives: boolean }>(sql`
    /* forgeq:end_backend */
    select count(pg_terminate_backend(pid)) > 0 as lives
      from pg_stat_activity
     where pid = ${pid} and pid <> pg_backend_pid() and usename = current_user
       -- A database URL may give our connections another name.
       and (application_name like '%claims' or query ~ 'forgeq:(claim_jobs|find_lanes|sync_leases)')`)
  return row?.lives ?? false
}
