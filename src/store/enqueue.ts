import type { JobState } from '../job/state.ts'
import type { Backoff } from '../job/backoff.ts'
import type { Instant, NewJob } from '../job/job.ts'
import type { Database } from './database.ts'
import { insertPlainJobs, plainLanes } from './enqueue-plain.ts'
import { instantFromSeconds } from './instants.ts'
import { epoch, moment } from './moment.ts'
import { Fragment, fragment, sql } from './sql.ts'

/** A job that is about to be stored: with its id, and with the digest of its meaning where a key or an id was given. */
export interface StorableJob extends NewJob {
  id: string
  meaning?: string
}

export interface InsertedJob {
  state: JobState
  runAt: Instant
  createdAt: Instant
  expiresAt?: Instant
}

interface InsertedRow {
  id: string
  state: JobState
  run_at: number | string
  created_at: number | string
  expires_at: number | string | null
}

const backoffJson = ({ kind, baseMs, capMs, jitter }: Backoff) => ({ kind, baseMs, capMs, jitter })

/**
 * One element of the statement's JSON array; the payload goes in as the text that it is, so that no digit is lost.
 * Put together by hand: most jobs say little, and this runs once for each.
 */
function jobJson(job: StorableJob): string {
  let json = `{"id":"${job.id}","q":${JSON.stringify(job.queue)},"t":${JSON.stringify(job.type)},"p":${job.priority},"m":${job.maxAttempts}`
  if (job.runAt !== undefined) json += `,"at":"${job.runAt}"`
  if (job.delayMs !== undefined) json += `,"d":${job.delayMs}`
  if (job.expiresAt !== undefined) json += `,"ea":"${job.expiresAt}"`
  if (job.expiresInMs !== undefined) json += `,"ei":${job.expiresInMs}`
  if (job.timeoutMs !== undefined) json += `,"to":${job.timeoutMs}`
  if (job.backoff !== undefined) json += `,"b":${JSON.stringify(backoffJson(job.backoff))}`
  if (job.tags.length > 0) json += `,"tags":${JSON.stringify(job.tags)}`
  if (job.idempotencyKey !== undefined) json += `,"k":${JSON.stringify(job.idempotencyKey)}`
  if (job.meaning !== undefined) json += `,"mean":"${job.meaning}"`
  if (job.traceparent !== undefined) json += `,"tp":${JSON.stringify(job.traceparent)}`
  if (job.keepForMs !== undefined) json += `,"kf":${job.keepForMs}`
  return `${json},"payload":${job.payloadJson}}`
}

const batchJson = (jobs: readonly StorableJob[]) => `[${jobs.map(jobJson).join(',')}]`

const asked = fragment`${moment}, asked as (
      select job.*, moment.now, coalesce(job.at, moment.now + coalesce(job.d, 0) * interval '1 ms') as due,
             coalesce(job.ea, moment.now + job.ei * interval '1 ms') as expires
        from moment, jsonb_to_recordset(`
const record = fragment`::text::jsonb) as job (id uuid, q text, t text, p smallint, m int, at timestamptz, d bigint,
             ea timestamptz, ei bigint, "to" bigint, b jsonb, tags jsonb, k text, mean text, tp text, kf bigint, payload jsonb)
    )`
// A payload that is JSON's null comes out of the record as SQL's.
const columns = fragment`id, queue, type, state, priority, run_at, created_at, expires_at, payload, max_attempts, timeout_ms,
                  backoff, tags, idempotency_key, meaning, traceparent, keep_for_ms`
const values = fragment`id, q, t, case when due > now then 'scheduled' else 'pending' end, p, due, now, expires, coalesce(payload, 'null'), m, "to",
             b, case when tags is null then '{}' else array(select jsonb_array_elements_text(tags)) end, k, mean, tp, kf
        from asked`
const fresh = fragment`, fresh as (
      insert into forgeq.jobs (${columns})
      select ${values}`
// In the order of their ids, so that no two of these wait for each other; numbered in the order given all the same.
const numbered = fragment`, numbered as materialized (
      select asked.*, nextval('forgeq.job_seq') as seq from asked
    ), fresh as (
      insert into forgeq.jobs (seq, ${columns})
      select seq, ${new Fragment(values.text.replace('from asked', 'from numbered'))}
       order by id
          on conflict (id) do nothing`
const counted = fragment`
      returning id, queue, type, state, run_at, created_at, expires_at
    ), counted as (
      insert into forgeq.count_deltas (queue, type, event, n)
      select queue, type, 'enqueued', count(*) from fresh group by queue, type
    )
    select id, state, ${epoch('run_at')}, ${epoch('created_at')}, ${epoch('expires_at')}
      from fresh`

const inserted = (rows: InsertedRow[]): Map<string, InsertedJob> =>
  new Map(
    rows.map((row) => [
      row.id,
      {
        state: row.state,
        runAt: instantFromSeconds(row.run_at),
        createdAt: instantFromSeconds(row.created_at),
        ...(row.expires_at === null ? {} : { expiresAt: instantFromSeconds(row.expires_at) }),
      },
    ]),
  )

/** What was stored, by id. */
export type Inserted = Pick<ReadonlyMap<string, InsertedJob>, 'get'>

/**
 * Stores new jobs under ids of our own making, in the order given, in one statement. A statement of many callers'
 * jobs: all of them are stored or none.
 */
export async function insertJobs(db: Database, jobs: readonly StorableJob[]): Promise<Inserted> {
  const lanes = plainLanes(jobs)
  if (lanes) return insertPlainJobs(db, jobs, lanes)
  return inserted(
    await db.query<InsertedRow>(sql`
    /* forgeq:insert_jobs */
    with ${asked}${batchJson(jobs)}${record}${fresh}${counted}`),
  )
}

/**
 * Stores jobs some of whose ids the callers gave, in the order given; those whose id lives already are not among the answer. An id that has gone
 * to history must be looked for afterwards, in a second statement: while a job is being moved, `on conflict` waits
 * for the delete, finds nothing and inserts, and this statement's snapshot is too old to see the history.
 */
export async function insertGivenJobs(db: Database, jobs: readonly StorableJob[]): Promise<Map<string, InsertedJob>> {
  return inserted(
    await db.query<InsertedRow>(sql`
    /* forgeq:insert_given_jobs */
    with ${asked}${batchJson(jobs)}${record}${numbered}${counted}`),
  )
}

/** Takes jobs out again that this transaction has just inserted and that nobody else can have seen. */
export async function removeFreshJobs(db: Database, ids: readonly string[]): Promise<void> {
  await db.query(sql`
    /* forgeq:remove_fresh_jobs */
    with removed as (
      delete from forgeq.jobs where id = any (${ids as string[]}::uuid[]) and attempt = 0 and state in ('scheduled', 'pending')
      returning queue, type
    )
    insert into forgeq.count_deltas (queue, type, event, n)
    select queue, type, 'enqueued', -count(*) from removed group by queue, type`)
}

/** Bounds how long this transaction waits for locks of others; beyond that its statement fails as `unavailable`. */
export async function limitLockWait(tx: Database, waitMs: number): Promise<void> {
  await tx.query(sql`
    /* forgeq:limit_lock_wait */
    select set_config('lock_timeout', ${`${waitMs}ms`}, true)`)
}
