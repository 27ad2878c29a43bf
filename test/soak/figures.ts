import type pg from 'pg'

/** What the live tables take, at one moment. */
export interface Figures {
  /** Bytes by table or index. */
  sizes: Record<string, number>
  /** Rows that nobody sees any more and vacuum has not removed, all live tables together. */
  dead: number
}

const LIVE = ['jobs', 'sessions', 'session_starts', 'count_deltas', 'idempotency_keys', 'queues', 'loops']

export async function figuresOf(client: pg.Client): Promise<Figures> {
  const { rows } = await client.query<{ name: string; bytes: number }>(
    `select part.relname as name, pg_relation_size(part.oid)::float8 as bytes
       from pg_class as part
      where part.relnamespace = 'forgeq'::regnamespace
        and (part.relname = any ($1) or part.oid in (
              select indexrelid from pg_index join pg_class as owner on owner.oid = indrelid
               where owner.relnamespace = 'forgeq'::regnamespace and owner.relname = any ($1)))`,
    [LIVE],
  )
  const dead = await client.query<{ n: number }>(
    `select sum(n_dead_tup)::float8 as n from pg_stat_user_tables where schemaname = 'forgeq' and relname = any ($1)`,
    [LIVE],
  )
  return { sizes: Object.fromEntries(rows.map(({ name, bytes }) => [name, bytes])), dead: dead.rows[0]!.n }
}

/** What the history of finished jobs says of those since the last look; then it is emptied, as retention does in days. */
export async function settleHistory(client: pg.Client): Promise<{ finished: number; plain: number }> {
  const { rows } = await client.query<{ finished: number; plain: number }>(
    `select count(*)::int as finished,
            count(*) filter (where state = 'completed' and attempt = 1 and token = 1 and lost = 0)::int as plain
       from forgeq.finished_jobs`,
  )
  await client.query('truncate forgeq.finished_jobs')
  return rows[0]!
}
