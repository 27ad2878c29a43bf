import type { FinalState } from '../job/state.ts'
import type { Database } from './database.ts'
import { sql } from './sql.ts'

export interface KeyClaim {
  key: string
  jobId: string
  meaning: string
}

export interface StoredKey {
  key: string
  jobId: string
  meaning: string
  /** Set once its job has ended. */
  state?: FinalState
  /** Its time is over: it is nobody's. */
  expired: boolean
}

/**
 * Takes the keys that nobody has. Waits for another transaction that is about to take the same key, so that the loser
 * of a race whose winner rolls back gets it; in key order, so that two of these never wait for each other. Keys that
 * are held are neither locked nor waited for: a caller's open transaction must not hold up the end of the job that has the
 * key, nor a handler's that completes it an enqueue.
 */
export async function takeKeys(db: Database, claims: readonly KeyClaim[]): Promise<Set<string>> {
  const wanted = claims.map(({ key, jobId, meaning }) => ({ key, job_id: jobId, meaning }))
  const rows = await db.query<{ key: string }>(sql`
    /* forgeq:take_keys */
    insert into forgeq.idempotency_keys (key, job_id, meaning)
    select key, job_id, meaning
      from jsonb_to_recordset(${JSON.stringify(wanted)}::text::jsonb) as claim (key text, job_id uuid, meaning text)
     where not exists (
       select from forgeq.idempotency_keys as held
        where held.key = claim.key and (held.expires_at is null or held.expires_at > clock_timestamp()))
     order by key
        on conflict (key) do nothing
    returning key`)
  return new Set(rows.map((row) => row.key))
}

/** Frees those of the keys whose time is over. */
export async function dropExpiredKeys(db: Database, keys: readonly string[]): Promise<void> {
  await db.query(sql`
    /* forgeq:drop_expired_keys */
    delete from forgeq.idempotency_keys where key = any (${keys}::text[]) and expires_at <= clock_timestamp()`)
}

/** What is known of keys that were not to be had. */
export async function readKeys(db: Database, keys: readonly string[]): Promise<Map<string, StoredKey>> {
  const rows = await db.query<{
    key: string
    job_id: string
    meaning: string
    state: FinalState | null
    expired: boolean
  }>(sql`
    /* forgeq:read_keys */
    select key, job_id, meaning, state, coalesce(expires_at <= clock_timestamp(), false) as expired
      from forgeq.idempotency_keys
     where key = any (${keys}::text[])`)
  return new Map(
    rows.map(({ key, job_id, meaning, state, expired }) => [
      key,
      { key, jobId: job_id, meaning, expired, ...(state ? { state } : {}) },
    ]),
  )
}

/** Gives keys back that this transaction took and cannot use. */
export async function dropKeys(db: Database, keys: readonly string[]): Promise<void> {
  await db.query(sql`
    /* forgeq:drop_keys */
    delete from forgeq.idempotency_keys where key = any (${keys}::text[])`)
}

/** Forgets keys whose time is over. Returns how many. */
export async function pruneKeys(db: Database, { limit }: { limit: number }): Promise<number> {
  const rows = await db.query(sql`
    /* forgeq:prune_keys */
    with over as materialized (
      select key
        from forgeq.idempotency_keys
       where expires_at <= (select clock_timestamp()) -- so that it bounds the index scan
       limit ${limit}
         for update skip locked
    )
    delete from forgeq.idempotency_keys as held
     where held.key = any (array(select key from over)) and held.expires_at <= clock_timestamp()
    returning 1`)
  return rows.length
}
