import { ForgeQError } from '../errors.ts'
import type { CompletedRun } from './complete.ts'
import type { Database } from './database.ts'
import { closeKeys, countEnded, insertFinished, type Keeping, retention, retentionJson } from './history.ts'
import type { Reporter } from './outcomes.ts'
import { sql } from './sql.ts'

/** Stands in the error of the database, so that it is known again whatever the language of the server. */
const MARK = 'forgeq: this transaction can no longer be committed'

/**
 * Completes one job inside a transaction of its handler: with its commit the job is in the history, and without it
 * nothing has happened. Where the lease no longer holds, the statement fails in the database, so that what the handler
 * has written beside it can no longer be committed, whatever the handler does with the error.
 *
 * @throws {ForgeQError} `lease_lost`; anything else is the caller's driver's
 */
export async function completeInTransaction(
  tx: Database,
  { sessionId, worker }: Reporter,
  { id, token, resultJson, ranMs }: Omit<CompletedRun, 'leaseNo'>,
  keeping: Keeping,
): Promise<void> {
  const refusal = ` ${MARK}: job ${id} is leased to somebody else, or has ended`
  try {
    await tx.query(sql`
    /* forgeq:complete_in_transaction */
    with ${retention.from}${retentionJson(keeping)}${retention.as}, ended as (
      delete from forgeq.jobs as job
       where job.id = ${id}::uuid and job.token = ${token}::bigint and job.state = 'running'
         -- Not \`=\`: see forgeq:finish_jobs.
         and job.session_id is not distinct from ${sessionId}::uuid
      returning job.id, job.seq, job.queue, job.type, job.priority, job.run_at, job.created_at, job.expires_at, job.payload,
                job.attempt, job.max_attempts, job.life_start, job.lost, job.token, job.timeout_ms, job.backoff, job.tags,
                job.idempotency_key, job.meaning, job.traceparent, job.keep_for_ms, job.cancel_requested_at, job.progress,
                job.attempts, 'completed' as final_state, null as final_reason, ${resultJson}::text::jsonb as final_result,
                null::jsonb as final_error, job.session_id as final_session_id, ${JSON.stringify(worker)}::text::jsonb as final_worker,
                (select now from retention) - ${ranMs}::double precision * interval '1 ms' as final_started_at
    ), moved as (${insertFinished}
    ), closed as (${closeKeys}
    ), counted as (${countEnded}
    )
    -- The count makes the text one that the planner cannot work out before it is known whether there is a row.
    select case when count(*) = 1 then 1 else (count(*) || ${refusal}::text)::integer end from moved`)
  } catch (error) {
    throw hasMark(error) ? leaseLost(id, error) : error
  }
}

/**
 * Whether the job of a lease can be written without waiting. `locked`: somebody else has it, for example its handler's
 * own transaction. `gone`: the lease no longer holds it.
 */
export async function findLease(
  db: Database,
  sessionId: string,
  { id, token }: { id: string; token: number },
): Promise<'free' | 'locked' | 'gone'> {
  const [row] = await db.query<{ held: boolean; there: boolean }>(sql`
    /* forgeq:find_lease */
    with there as materialized (
      select job.id
        from forgeq.jobs as job
       where job.id = ${id}::uuid and job.token = ${token}::bigint and job.state = 'running'
         and job.session_id is not distinct from ${sessionId}::uuid
    ), held as materialized (
      select job.id
        from forgeq.jobs as job
       where job.id = ${id}::uuid and job.token = ${token}::bigint and job.state = 'running'
         and job.session_id is not distinct from ${sessionId}::uuid
         for update of job skip locked
    )
    select exists (select from held) as held, exists (select from there) as there`)
  return row?.held ? 'free' : row?.there ? 'locked' : 'gone'
}

/** Makes the commit of a transaction a rollback. Never throws: whatever else has happened to it, it is not committed. */
export async function abortTransaction(tx: Database, why: string): Promise<void> {
  await tx
    .query(
      sql`
      /* forgeq:abort_transaction */
      select ${`${MARK}: ${why}`}::text::integer`,
    )
    .catch(() => {})
}

export const leaseLost = (id: string, cause?: unknown): ForgeQError =>
  new ForgeQError('lease_lost', `the lease of job ${id} was lost: its transaction can no longer be committed`, {
    hint: 'roll back and let the handler end; the job runs again elsewhere, or has ended',
    details: { id },
    cause,
  })

function hasMark(error: unknown): boolean {
  for (let one = error; one instanceof Error; one = one.cause) if (one.message.includes(MARK)) return true
  return false
}
