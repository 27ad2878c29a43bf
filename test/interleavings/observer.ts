import type { Database } from '../../src/store/database.ts'
import { rawSql } from '../support/database.ts'

export interface LiveRow {
  id: string
  state: string
  session_id: string | null
  lease_no: number | null
  token: number
  attempt: number
  max_attempts: number
  life_start: number
  lost: number
  given_back: number
  run_at: string
  cancel_requested_at: string | null
  idempotency_key: string | null
  progress: unknown
  attempts: { token: number; outcome: string; worker?: { id?: string } }[] | null
}

export interface FinishedRow extends Omit<LiveRow, 'lease_no' | 'given_back'> {
  reason: string | null
}

export interface SessionRow {
  id: string
  ended: boolean
  expired: boolean
}

/** One row that one statement changed, as it was and as it is; in the order in which a row's changes followed each other. */
export interface Change<Row = Record<string, unknown>> {
  n: number
  pid: number
  /** The product's name for the statement; null for one of the walk's own. */
  statement: string | null
  place: 'jobs' | 'finished_jobs' | 'sessions'
  before: Row | null
  after: Row | null
  at: string
}

export interface Sight {
  jobs: LiveRow[]
  finished: FinishedRow[]
  sessions: SessionRow[]
  starts: { session_id: string; queue: string; upto: number }[]
  keys: { key: string; job_id: string; state: string | null }[]
  changes: Change[]
}

/**
 * Makes a database fit for walks: a journal that triggers write, row by row and inside the statement that changes the
 * row, and a history of one partition, which is quicker to empty.
 */
export async function prepare(db: Database): Promise<void> {
  await rawSql(db, 'create schema walk')
  await rawSql(
    db,
    `create table walk.journal (n bigserial primary key, pid int not null, statement text, place text not null, before jsonb, after jsonb,
                                at timestamptz not null default clock_timestamp())`,
  )
  await rawSql(
    db,
    `create function walk.note() returns trigger language plpgsql as $$
     begin
       insert into walk.journal (pid, statement, place, before, after)
       values (pg_backend_pid(), substring(current_query() from 'forgeq:(\\w+)'), tg_argv[0], to_jsonb(old), to_jsonb(new));
       return null;
     end $$`,
  )
  const partitions = await rawSql<{ name: string }>(
    db,
    `select inhrelid::regclass::text as name from pg_inherits where inhparent = 'forgeq.finished_jobs'::regclass and inhrelid::regclass::text not like '%default'`,
  )
  for (const { name } of partitions) await rawSql(db, `drop table ${name}`)
  for (const place of ['jobs', 'finished_jobs', 'sessions'])
    await rawSql(
      db,
      `create trigger noted after insert or update or delete on forgeq.${place} for each row execute function walk.note('${place}')`,
    )
}

const EMPTIED = [
  'forgeq.jobs',
  'forgeq.finished_jobs',
  'forgeq.sessions',
  'forgeq.session_starts',
  'forgeq.idempotency_keys',
  'forgeq.count_deltas',
  'walk.journal',
]

/** As before the first step of any walk. */
export const empty = (db: Database): Promise<unknown> =>
  rawSql(db, `with ${EMPTIED.map((table, i) => `t${i} as (delete from ${table})`).join(', ')} select 1`)

/** Takes the dead rows of many walks away. */
export async function sweep(db: Database): Promise<void> {
  for (const table of EMPTIED) await rawSql(db, `vacuum ${table}`)
}

/** All that is committed at one moment, and every change since the beginning of the walk. */
export async function look(db: Database, since: number): Promise<Sight> {
  const [row] = await db.query<{ sight: string }>({
    name: 'walk:look',
    prepared: 'walk_look',
    values: [since],
    text: `
    select jsonb_build_object(
      'jobs', (select coalesce(jsonb_agg(to_jsonb(job) order by job.id), '[]') from forgeq.jobs as job),
      'finished', (select coalesce(jsonb_agg(to_jsonb(job) order by job.id), '[]') from forgeq.finished_jobs as job),
      'sessions', (select coalesce(jsonb_agg(jsonb_build_object('id', id, 'ended', ended_at is not null, 'expired', expires_at <= clock_timestamp()) order by id), '[]')
                     from forgeq.sessions),
      'starts', (select coalesce(jsonb_agg(to_jsonb(starts) order by session_id, queue), '[]') from forgeq.session_starts as starts),
      'keys', (select coalesce(jsonb_agg(jsonb_build_object('key', key, 'job_id', job_id, 'state', state) order by key), '[]') from forgeq.idempotency_keys),
      'changes', (select coalesce(jsonb_agg(to_jsonb(journal) order by n), '[]') from walk.journal where n > $1)) as sight`,
  })
  return JSON.parse(row!.sight) as Sight
}

/**
 * Whether a statement of each of these actors waits for a lock. The lock table tells it at the moment of the grant, the
 * statistics later.
 */
export async function allWait(
  db: Database,
  actors: readonly string[],
  pids: ReadonlyMap<string, ReadonlySet<number>>,
): Promise<boolean> {
  const rows = await rawSql<{ pid: number }>(db, 'select distinct pid from pg_locks where not granted')
  const waiting = new Set(rows.map(({ pid }) => pid))
  return actors.every((actor) => [...(pids.get(actor) ?? [])].some((pid) => waiting.has(pid)))
}
