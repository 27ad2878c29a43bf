import type { Database } from './database.ts'
import { sql } from './sql.ts'

export interface ProgressUpdate {
  id: string
  token: number
  value: number
  message?: string
}

/** Shows how far running jobs are. Those whose lease no longer holds, or that somebody has locked, are left alone. */
export async function writeProgress(
  db: Database,
  sessionId: string,
  updates: readonly ProgressUpdate[],
): Promise<void> {
  const rows = updates.map(({ id, token, value, message }) => ({ id, token, progress: { value, message } }))
  await db.query(sql`
    /* forgeq:write_progress */
    with sent as materialized (
      select * from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as u (id uuid, token bigint, progress jsonb)
    ), locked as materialized (
      select job.id, job.token
        from forgeq.jobs as job
       where job.id = any (array(select id from sent)) and job.state = 'running' and job.session_id is not distinct from ${sessionId}::uuid
       order by job.id
         -- A handler's own transaction may hold its job for as long as it likes; the others' progress does not wait for it.
         for update of job skip locked
    ), held as materialized (
      select locked.id, sent.progress from locked join sent on sent.id = locked.id and sent.token = locked.token
    )
    update forgeq.jobs as job set progress = held.progress from held
     where job.id = any (array[held.id]) and job.state = 'running'`)
}
