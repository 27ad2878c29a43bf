import type { Database } from './database.ts'
import { closeKeys, countEnded, insertFinished, type Keeping, retention, retentionJson } from './history.ts'
import { sql } from './sql.ts'

// `(select clock_timestamp())`: called in the condition itself the clock bounds no index scan, and each pass would read
// all that waits for its time. An array of ids: see forgeq:claim_jobs.

/** Makes jobs that are due pending; they keep their priority and their place. Returns the queue of each. */
export async function promoteDueJobs(db: Database, { limit }: { limit: number }): Promise<string[]> {
  const rows = await db.query<{ queue: string }>(sql`
    /* forgeq:promote_due_jobs */
    with due as materialized (
      select id
        from forgeq.jobs
       where state in ('scheduled', 'retrying') and run_at <= (select clock_timestamp())
       order by run_at
       limit ${limit}
         for update skip locked
    )
    update forgeq.jobs as job
       set state = 'pending'
     -- No word of its state, which the lock has settled: it would let the planner answer from jobs_due.
     where job.id = any (array(select id from due))
    returning job.queue`)
  return rows.map((row) => row.queue)
}

export interface ExpireJobs {
  limit: number
  keeping: Keeping
  except?: readonly string[]
  /** This one, if it is over. */
  only?: string
}

/** Ends jobs that were not started by their time; one that ran before was. Returns how many. */
export async function expireJobs(db: Database, { limit, keeping, except = [], only }: ExpireJobs): Promise<number> {
  const rows = await db.query(sql`
    /* forgeq:expire_jobs */
    with over as materialized (
      select id
        from forgeq.jobs
       where expires_at <= (select clock_timestamp()) and expires_at is not null and state in ('scheduled', 'pending', 'blocked')
         and attempt = life_start and attempts is null
         and not id = any (${except}::uuid[]) and (${only ?? null}::uuid is null or id = ${only ?? null}::uuid)
       order by expires_at
       limit ${limit}
         for update skip locked
    ), ${retention.from}${retentionJson(keeping)}${retention.as}, ended as (
      delete from forgeq.jobs as job
       where job.id = any (array(select id from over)) and job.state in ('scheduled', 'pending', 'blocked')
      returning job.*, 'cancelled' as final_state, 'expired' as final_reason, null::jsonb as final_result, job.error as final_error,
                null::uuid as final_session_id, null::jsonb as final_worker, null::timestamptz as final_started_at
    ), moved as (${insertFinished}
    ), closed as (${closeKeys}
    ), counted as (${countEnded}
    )
    select id from moved`)
  return rows.length
}

/** The jobs that `expireJobs` would end. */
export async function findExpired(db: Database, { limit }: { limit: number }): Promise<string[]> {
  const rows = await db.query<{ id: string }>(sql`
    /* forgeq:find_expired */
    select id
      from forgeq.jobs
     where expires_at <= (select clock_timestamp()) and expires_at is not null and state in ('scheduled', 'pending', 'blocked')
       and attempt = life_start and attempts is null
     order by expires_at
     limit ${limit}`)
  return rows.map((row) => row.id)
}
