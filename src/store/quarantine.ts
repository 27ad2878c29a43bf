import type { Database } from './database.ts'
import { sql } from './sql.ts'

/**
 * Notes that a job which was lost before is about to start in its worker's own process: should that vanish, this job
 * pays for it and its neighbours do not. Awaited before the start. False: the lease does not hold any more.
 */
export async function noteSuspect(
  db: Database,
  { id, token, sessionId }: { id: string; token: number; sessionId: string },
): Promise<boolean> {
  const rows = await db.query(sql`
    /* forgeq:note_suspect */
    update forgeq.jobs as job
       set quarantine_token = job.token
     where job.id = ${id}::uuid and job.token = ${token}::bigint and job.state = 'running'
       and job.session_id is not distinct from ${sessionId}::uuid
       and exists (
         select from forgeq.sessions as session
          where session.id = ${sessionId}::uuid and session.ended_at is null and session.expires_at > clock_timestamp())
    returning 1`)
  return rows.length > 0
}
