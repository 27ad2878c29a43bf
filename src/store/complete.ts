import type { Database } from './database.ts'
import { countEnded, insertFinished, type Keeping, retention, retentionJson } from './history.ts'
import type { Accepted, Reporter } from './outcomes.ts'
import { sql } from './sql.ts'

export interface CompletedRun {
  id: string
  token: number
  leaseNo: number
  resultJson: string
  /** How long the handler ran by the worker's monotonic clock. */
  ranMs: number
}

/** Which of the jobs that were reported are completed now. */
export type Completed = Pick<Accepted, 'get' | 'has'>

interface CompletedRow {
  accepted: number
  /** Null when all were accepted. */
  ids: string[] | null
}

/**
 * Completes the jobs whose lease still holds and moves them to history: what `finishJobs` does, for the many jobs that
 * end well and have no idempotency key. Nothing is joined and nothing is answered by row: what belongs to a lease lies
 * in arrays at the place of its number. Answers
 * with those that were accepted. Leases far apart by number are written in several statements.
 */
export async function completeJobs(
  db: Database,
  reporter: Reporter,
  runs: readonly CompletedRun[],
  keeping: Keeping,
): Promise<Completed> {
  const parts = closeTogether(runs)
  if (parts.length === 1) return completePart(db, reporter, parts[0]!, keeping)
  const ends = new Map<string, string>()
  for (const part of parts) {
    const accepted = await completePart(db, reporter, part, keeping)
    for (const { id } of part) if (accepted.has(id)) ends.set(id, 'completed')
  }
  return ends
}

/** Places of an array that stay empty cost little, but not nothing. */
const MOST_EMPTY = 2_000

/** In the order of their leases, apart where an array over their numbers would be mostly empty. */
function closeTogether(runs: readonly CompletedRun[]): CompletedRun[][] {
  const ordered = runs.toSorted((a, b) => a.leaseNo - b.leaseNo)
  const parts: CompletedRun[][] = []
  let part: CompletedRun[] = []
  let before = 0
  let empty = 0
  for (const run of ordered) {
    empty += run.leaseNo - before - 1
    if (part.length === 0 || empty > MOST_EMPTY) {
      parts.push((part = []))
      empty = 0
    }
    part.push(run)
    before = run.leaseNo
  }
  return parts
}

async function completePart(
  db: Database,
  { sessionId, worker }: Reporter,
  runs: readonly CompletedRun[],
  keeping: Keeping,
): Promise<Completed> {
  const first = runs[0]!.leaseNo
  const { ids, tokens, ran, results } = columnsOf(runs, first)
  const [row] = await db.query<CompletedRow>(sql`
    /* forgeq:complete_jobs */
    with ${retention.from}${retentionJson(keeping)}${retention.as}, ended as (
      delete from forgeq.jobs as job
       where job.id = any (${ids}::uuid[]) and job.state = 'running'
         -- Not \`=\`: see forgeq:finish_jobs.
         and job.session_id is not distinct from ${sessionId}::uuid
         -- The lease that is reported and no other: its number is the session's own, its token stands at that place.
         and (${tokens}::bigint[])[(job.lease_no - ${first}::bigint)::integer + 1] = job.token
      returning job.id, job.seq, job.queue, job.type, job.priority, job.run_at, job.created_at, job.expires_at, job.payload,
                job.attempt, job.max_attempts, job.life_start, job.lost, job.token, job.timeout_ms, job.backoff, job.tags,
                job.idempotency_key, job.meaning, job.traceparent, job.keep_for_ms, job.cancel_requested_at, job.progress,
                job.attempts, 'completed' as final_state, null as final_reason,
                coalesce(${results}::jsonb -> (job.lease_no - ${first}::bigint)::integer, 'null') as final_result,
                null::jsonb as final_error, job.session_id as final_session_id, ${JSON.stringify(worker)}::jsonb as final_worker,
                (select now from retention) - (${ran}::bigint[])[(job.lease_no - ${first}::bigint)::integer + 1] * interval '1 us' as final_started_at
    ), moved as (${insertFinished}
    ), counted as (${countEnded}
    )
    select total.accepted, case when total.accepted < ${runs.length}::integer then array(select id::text from moved) end as ids
      from (select coalesce(sum(n), 0)::integer as accepted from counted) as total`)
  if (row?.ids === null) return ALL_COMPLETED
  return new Map(row?.ids.map((id) => [id, 'completed']))
}

/** Of a batch every job of which was accepted. */
const ALL_COMPLETED: Completed = { has: () => true, get: () => 'completed' }

/** The columns of a batch as texts of arrays; all but the ids have a place for each lease number from `first` on. */
function columnsOf(
  runs: readonly CompletedRun[],
  first: number,
): { ids: string; tokens: string; ran: string; results: string } {
  // Most handlers return nothing, and then no result is sent at all.
  const plain = runs.every(({ resultJson }) => resultJson === 'null')
  let ids = ''
  let tokens = ''
  let ran = ''
  let results = ''
  let place = first
  for (const run of runs) {
    // No lease has the token 0.
    for (; place < run.leaseNo; place++) {
      tokens += '0,'
      ran += '0,'
      if (!plain) results += 'null,'
    }
    // Two outcomes of one lease: the first stands.
    if (run.leaseNo < place) continue
    place++
    ids += `${run.id},`
    tokens += `${run.token},`
    ran += `${Math.round(run.ranMs * 1000)},`
    if (!plain) results += `${run.resultJson},`
  }
  const braced = (list: string) => `{${list.slice(0, -1)}}`
  return { ids: braced(ids), tokens: braced(tokens), ran: braced(ran), results: `[${results.slice(0, -1)}]` }
}
