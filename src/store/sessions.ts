import { instantFromPostgres } from '../job/instant.ts'
import type { Instant } from '../job/job.ts'
import type { Database } from './database.ts'
import { sql } from './sql.ts'

export interface NewSession {
  id: string
  name: string
  host: string
  pid: number
  version: string
  /** Empty: every queue. */
  queues: string[]
  types: string[]
  concurrency: number
  /** The session that the same process held before. */
  formerId?: string
  /** How long the worker waits before its first lease. */
  pauseMs?: number
}

/** Registers a worker: from now on it may lease until `leaseMs` after its last heartbeat, by the database's clock. */
export async function registerSession(db: Database, session: NewSession, leaseMs: number): Promise<void> {
  await db.query(sql`
    /* forgeq:register_session */
    insert into forgeq.sessions (id, name, host, pid, version, queues, types, concurrency, former_id, pause_ms, expires_at)
    values (${session.id}, ${session.name}, ${session.host}, ${session.pid}, ${session.version}, ${session.queues}, ${session.types},
            ${session.concurrency}, ${session.formerId ?? null}, ${Math.round(session.pauseMs ?? 0)},
            clock_timestamp() + ${leaseMs}::bigint * interval '1 ms')
    on conflict (id) do nothing`)
}

/** The last session of a process that was this worker before. */
export interface FormerSession {
  id: string
  pid: number
  /** Absent while nobody has ended it, although its process may be gone. */
  endReason?: string
  /** From its first lease to its last heartbeat. */
  livedMs: number
  /** Milliseconds since 1970, by the database's clock. */
  startedAtMs: number
  lastSeenAtMs: number
}

/**
 * What became of the processes that ran this worker on this host before, newest first. A worker that was not given a
 * name (it is called after host and process) is known by what it serves.
 */
export async function formerSessions(
  db: Database,
  { name, host, pid, queues, types }: Pick<NewSession, 'name' | 'host' | 'pid' | 'queues' | 'types'>,
  { limit }: { limit: number },
): Promise<FormerSession[]> {
  const rows = await db.query<{
    id: string
    pid: number
    end_reason: string | null
    lived_ms: number
    started_ms: number
    seen_ms: number
  }>(sql`
    /* forgeq:former_sessions */
    select session.id, session.pid, session.end_reason,
           (extract(epoch from session.last_heartbeat_at - session.started_at) * 1000)::float8 - session.pause_ms as lived_ms,
           (extract(epoch from session.started_at) * 1000)::float8 as started_ms,
           (extract(epoch from session.last_heartbeat_at) * 1000)::float8 as seen_ms
      from forgeq.sessions as session
     where session.host = ${host} and session.queues = ${queues}::text[] and session.types = ${types}::text[]
       and case when ${name} = ${`${host}-${pid}`} then session.name = session.host || '-' || session.pid else session.name = ${name} end
       and not exists (select from forgeq.sessions as later where later.former_id = session.id)
     order by session.started_at desc
     limit ${limit}`)
  return rows.map(({ id, pid, end_reason, lived_ms, started_ms, seen_ms }) => ({
    id,
    pid,
    startedAtMs: started_ms,
    lastSeenAtMs: seen_ms,
    livedMs: lived_ms,
    ...(end_reason === null ? {} : { endReason: end_reason }),
  }))
}

export interface Heartbeat {
  /** False: the session has ended or expired and never revives; register a new one. */
  alive: boolean
  /** Running jobs of this session that somebody asked to cancel. */
  cancel: { id: string; token: number }[]
}

/** Renews a session that is alive and tells which of its jobs are to be cancelled. Its cost does not grow with the jobs in flight. */
export async function heartbeat(
  db: Database,
  { sessionId, leaseMs, status }: { sessionId: string; leaseMs: number; status: string },
): Promise<Heartbeat> {
  const [row] = await db.query<{ alive: boolean; cancel: string | null }>(sql`
    /* forgeq:heartbeat */
    with renewed as (
      update forgeq.sessions
         set last_heartbeat_at = clock_timestamp(), expires_at = clock_timestamp() + ${leaseMs}::bigint * interval '1 ms', status = ${status}
       where id = ${sessionId} and ended_at is null and expires_at > clock_timestamp()
      returning id
    )
    select exists (select from renewed) as alive,
           (select jsonb_agg(jsonb_build_object('id', id, 'token', token))
              from forgeq.jobs
             where session_id = ${sessionId} and cancel_requested_at is not null) as cancel`)
  return { alive: row?.alive ?? false, cancel: row?.cancel ? (JSON.parse(row.cancel) as Heartbeat['cancel']) : [] }
}

/** Ends a session; what it still holds is taken back by the next recovery pass. Safe twice. */
export async function endSession(
  db: Database,
  { sessionId, reason }: { sessionId: string; reason: string },
): Promise<void> {
  await db.query(sql`
    /* forgeq:end_session */
    update forgeq.sessions set ended_at = clock_timestamp(), end_reason = ${reason} where id = ${sessionId} and ended_at is null`)
}

/**
 * Ends the sessions that have expired. Returns how many. A clock that was set back would let the dead live on for as long:
 * a session that was last heard of in the future is given what was left of its lease from now on.
 */
export async function endExpiredSessions(db: Database): Promise<number> {
  const rows = await db.query(sql`
    /* forgeq:end_expired_sessions */
    with expired as materialized (
      select id
        from forgeq.sessions
       where ended_at is null and expires_at <= clock_timestamp()
       order by id
         for update skip locked
    ), ahead as materialized (
      select id
        from forgeq.sessions
       where ended_at is null and last_heartbeat_at > clock_timestamp() + interval '1 s'
       order by id
         for update skip locked
    ), pulled_back as (
      update forgeq.sessions as session
         set last_heartbeat_at = clock_timestamp(),
             expires_at = clock_timestamp() + (session.expires_at - session.last_heartbeat_at)
        from ahead
       where session.id = ahead.id
    )
    update forgeq.sessions as session
       set ended_at = clock_timestamp(), end_reason = 'lease expired'
      from expired
     where session.id = expired.id and session.ended_at is null and session.expires_at <= clock_timestamp()
    returning 1`)
  return rows.length
}

/** Forgets sessions that ended a day ago, with their notes. Returns how many. */
export async function pruneSessions(db: Database, { limit }: { limit: number }): Promise<number> {
  const rows = await db.query(sql`
    /* forgeq:prune_sessions */
    with old as materialized (
      select id
        from forgeq.sessions as session
       where ended_at < clock_timestamp() - interval '1 day'
         and not exists (select from forgeq.jobs as job where job.session_id = session.id)
       limit ${limit}
         for update skip locked
    ), notes as (
      delete from forgeq.session_starts as starts using old where starts.session_id = old.id
    )
    delete from forgeq.sessions as session using old where session.id = old.id
    returning 1`)
  return rows.length
}

/** A session as people see it. */
export interface SessionRecord extends NewSession {
  /** Jobs that it holds. */
  running: number
  startedAt: Instant
  lastHeartbeatAt: Instant
  expiresAt: Instant
  status: 'active' | 'draining' | 'stuck' | 'lost'
}

interface SessionRow extends NewSession {
  running: number
  started_at: string
  last_heartbeat_at: string
  expires_at: string
  status: SessionRecord['status']
}

/** Live sessions, and those lost within the last hour; or the one with that id. */
export async function listSessions(db: Database, id: string | null = null): Promise<SessionRecord[]> {
  const rows = await db.query<SessionRow>(sql`
    /* forgeq:list_sessions */
    select session.id, session.name, session.host, session.pid, session.version, session.queues, session.types, session.concurrency,
           (select count(*) from forgeq.jobs as job where job.session_id = session.id) as running,
           session.started_at, session.last_heartbeat_at, session.expires_at,
           case when session.ended_at is null and session.expires_at > clock_timestamp() then session.status else 'lost' end as status
      from forgeq.sessions as session
     where case when ${id}::uuid is not null then session.id = ${id}::uuid
                else session.ended_at is null or (session.end_reason <> 'stopped' and session.ended_at > clock_timestamp() - interval '1 hour') end
     order by session.started_at, session.id`)
  return rows.map(({ started_at, last_heartbeat_at, expires_at, ...row }) => ({
    ...row,
    startedAt: instantFromPostgres(started_at),
    lastHeartbeatAt: instantFromPostgres(last_heartbeat_at),
    expiresAt: instantFromPostgres(expires_at),
  }))
}
