import type { Instant, Job } from '../job/job.ts'
import type { JobState } from '../job/state.ts'
import type { Database } from './database.ts'
import { jobColumns, jobFromRow, type JobRow } from './rows.ts'
import { sql } from './sql.ts'

export interface JobSearch {
  states: JobState[] | null
  queue: string | null
  type: string | null
  tag: string | null
  key: string | null
  worker: string | null
  error: string | null
  createdAfter: Instant | null
  createdBefore: Instant | null
  finishedAfter: Instant | null
  payload: { path: string[]; value: string }[]
  q: string | null
}

export interface SearchedChunk {
  jobs: Job[]
  /** The last id that was looked at; undefined when the end was reached. */
  searchedTo?: string
  searchedUntil?: Instant
}

/**
 * Looks at the `look` newest jobs below the id `before` and gives those that match, newest first. A page is gathered
 * chunk by chunk, so that a search for something rare can stop when its time is over and go on from there.
 */
export async function searchJobs(
  db: Database,
  search: JobSearch,
  { before, look, limit }: { before: string | null; look: number; limit: number },
): Promise<SearchedChunk> {
  const payload = JSON.stringify(search.payload)
  const rows = await db.query<JobRow & { match: boolean; n: number; last_id: string; last_created: string }>(sql`
    /* forgeq:search_jobs */
    with looked as materialized (
      select job.id as looked_id, job.created_at as looked_created
        from forgeq.all_jobs as job
       where job.id < coalesce(${before}::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
       order by job.id desc
       limit ${look}
    ), reach as materialized (
      select count(*) as n, min(looked_id::text)::uuid as last_id, min(looked_created) as last_created from looked
    )
    select found.*, reach.n, reach.last_id, to_char(reach.last_created at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as last_created
      from reach
      left join lateral (
        select true as match, ${jobColumns}
          from forgeq.all_jobs as job
          left join forgeq.sessions as session on session.id = job.session_id and job.state = 'running'
         where job.id >= reach.last_id and job.id < coalesce(${before}::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
           and (${search.states}::text[] is null or job.state = any (${search.states}::text[]))
           and (${search.queue}::text is null or job.queue = ${search.queue}::text)
           and (${search.type}::text is null or job.type = ${search.type}::text)
           and (${search.tag}::text is null or ${search.tag}::text = any (job.tags))
           and (${search.key}::text is null or job.idempotency_key = ${search.key}::text)
           and (${search.createdAfter}::timestamptz is null or job.created_at > ${search.createdAfter}::timestamptz)
           and (${search.createdBefore}::timestamptz is null or job.created_at < ${search.createdBefore}::timestamptz)
           and (${search.finishedAfter}::timestamptz is null or job.finished_at > ${search.finishedAfter}::timestamptz)
           and (${search.worker}::text is null or job.session_id::text = ${search.worker}::text or job.worker ->> 'id' = ${search.worker}::text or job.worker ->> 'name' = ${search.worker}::text
                or session.name = ${search.worker}::text)
           and (${search.error}::text is null or job.error ->> 'fingerprint' = ${search.error}::text
                or strpos(lower(job.error ->> 'message'), lower(${search.error}::text)) > 0)
           and (${search.q}::text is null or strpos(job.id::text, lower(${search.q}::text)) > 0 or strpos(lower(job.type), lower(${search.q}::text)) > 0
                or strpos(lower(array_to_string(job.tags, chr(10))), lower(${search.q}::text)) > 0
                or strpos(lower(job.error ->> 'message'), lower(${search.q}::text)) > 0)
           and not exists (
             select from jsonb_to_recordset(${payload}::text::jsonb) as wanted (path jsonb, value text)
              where job.payload #>> array(select jsonb_array_elements_text(wanted.path)) is distinct from wanted.value)
         order by job.id desc
         limit ${limit}
      ) as found on true
     order by found.id desc nulls last`)
  const first = rows[0]
  const jobs = rows.filter((row) => row.match).map(jobFromRow)
  if (!first || first.n < look) return { jobs }
  return { jobs, searchedTo: first.last_id, searchedUntil: first.last_created }
}
