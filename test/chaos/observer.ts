import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { HistoryEvent } from './history.ts'
import type { Postgres } from './postgres.ts'
import { oneOf, type Random } from './random.ts'
import { now, type Recorder } from './recorder.ts'
import { EFFECTS } from './settings.ts'

type JobView = Extract<HistoryEvent, { kind: 'exported' }>['job']

const PROBE_EVERY_MS = 200
const PROBE_TIMEOUT_MS = 1_000
const SAMPLE_EVERY_MS = 100
const OVERDUE_EVERY_MS = 300
const READ_TIMEOUT_MS = 4_000

export interface ObserverOptions {
  postgres: Postgres
  urls: readonly string[]
  /** Ids that were acknowledged so far. */
  ids: readonly string[]
  random: Random
  record: Recorder
}

/** Looks on until it is stopped. */
export function startObserver(options: ObserverOptions): { stop(): Promise<void> } {
  const stopped = new AbortController()
  const repeat = async (everyMs: number, work: () => Promise<void>) => {
    while (!stopped.signal.aborted) {
      await sleep(everyMs, undefined, { signal: stopped.signal }).catch(() => {})
      await work().catch(() => {})
    }
  }
  const all = [
    repeat(PROBE_EVERY_MS, () => probe(options)),
    repeat(SAMPLE_EVERY_MS, () => sample(options)),
    watchOverdue(options, repeat),
  ]
  return {
    async stop() {
      stopped.abort()
      await Promise.all(all)
    },
  }
}

/**
 * Whether somebody with the rights and the limits of the product can connect and write: a statement that only looks
 * would call a database well that is full, read-only, or has no connection left.
 */
async function probe({ postgres, record }: ObserverOptions): Promise<void> {
  let client: pg.Client | undefined
  try {
    client = await postgres.app(PROBE_TIMEOUT_MS)
    const { rows } = await client.query<{ ms: number }>(
      'insert into public.chaos_probe default values returning (extract(epoch from at) * 1000)::float8 as ms',
    )
    record({ kind: 'probe', ok: true, databaseMs: rows[0]!.ms })
  } catch {
    record({ kind: 'probe', ok: false })
  } finally {
    void client?.end().catch(() => {})
  }
}

/** Most looks go to the newest jobs, which are the ones on the move. */
async function sample({ urls, ids, random, record }: ObserverOptions): Promise<void> {
  if (ids.length === 0) return
  const id = random() < 0.7 ? oneOf(random, ids.slice(-200)) : oneOf(random, ids)
  const response = await fetch(`${oneOf(random, urls)}/jobs/${id}`, { signal: AbortSignal.timeout(READ_TIMEOUT_MS) })
  if (response.ok) record({ kind: 'sampled', job: lean((await response.json()) as JobView) })
  else await response.arrayBuffer()
}

interface OverdueRow {
  job: string
  token: number
  ms: number
  locked: boolean
}

async function watchOverdue(
  { postgres, record }: ObserverOptions,
  repeat: (everyMs: number, work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  let client: pg.Client | undefined
  /** When the row of a lease was last seen locked by a session that is not the product's. */
  const lockedAt = new Map<string, number>()
  await repeat(OVERDUE_EVERY_MS, async () => {
    try {
      client ??= await postgres.admin()
      const { rows } = await client.query<OverdueRow>({ text: OVERDUE, query_timeout: 2_000 } as pg.QueryConfig)
      for (const { job, token, locked } of rows) if (locked) lockedAt.set(`${job} ${token}`, now())
      const jobs = rows.map(({ job, token, ms }) => ({
        job,
        token,
        ms: Math.min(ms, now() - (lockedAt.get(`${job} ${token}`) ?? -Infinity)),
      }))
      record({ kind: 'overdue', jobs })
    } catch {
      void client?.end().catch(() => {})
      client = undefined
    }
  })
  await client?.end().catch(() => {})
}

/**
 * Who holds a row shows in its `xmax`: the transaction of a handler that completes its job, for one. What the product's
 * own sessions hold is the product's affair.
 */
const OVERDUE = `
  select job.id as job, job.token::int as token,
         (extract(epoch from clock_timestamp() - coalesce(least(session.ended_at, session.expires_at), job.started_at)) * 1000)::float8 as ms,
         exists (
           select from pg_locks as lock join pg_stat_activity as holder using (pid)
            where lock.locktype = 'transactionid' and lock.granted and lock.transactionid = job.xmax
              and holder.application_name not like 'forgeq %') as locked
    from forgeq.jobs as job
    left join forgeq.sessions as session on session.id = job.session_id
   where job.state = 'running'
     and (session.id is null or session.ended_at is not null or session.expires_at < clock_timestamp())`

/** Tables of the harness beside the product's. */
export async function prepareTables(postgres: Postgres, role: string): Promise<void> {
  const client = await postgres.admin()
  await client.query(`
    create table public.chaos_probe (at timestamptz not null default clock_timestamp());
    create table ${EFFECTS} (job uuid not null, token bigint not null);
    grant all on public.chaos_probe, ${EFFECTS} to ${role}`)
  await client.end()
}

/** How many jobs are not final. */
export async function countOpen(postgres: Postgres): Promise<number> {
  const client = await postgres.admin()
  try {
    const { rows } = await client.query<{ n: number }>('select count(*)::int as n from forgeq.jobs')
    return rows[0]!.n
  } finally {
    await client.end()
  }
}

/** Every job there is, one by one with all its runs, and every effect. */
export async function exportAll({ postgres, urls, record }: ObserverOptions): Promise<void> {
  const [url] = urls
  const read = async (path: string): Promise<unknown> => {
    for (let tries = 1; ; tries++) {
      try {
        const response = await fetch(`${url}${path}`, { signal: AbortSignal.timeout(20_000) })
        if (response.ok) return await response.json()
        throw new Error(`GET ${path}: ${response.status} ${await response.text()}`)
      } catch (error) {
        if (tries === 5) throw error
        await sleep(500)
      }
    }
  }
  let cursor: string | null = null
  do {
    const page = (await read(`/jobs?limit=500${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`)) as {
      items: JobView[]
      next_cursor: string | null
    }
    const ids = page.items.map(({ id }) => id)
    for (let from = 0; from < ids.length; from += 16) {
      const jobs = await Promise.all(ids.slice(from, from + 16).map((id) => read(`/jobs/${id}`)))
      for (const job of jobs) record({ kind: 'exported', job: lean(job as JobView) })
    }
    cursor = page.next_cursor
  } while (cursor)

  const client = await postgres.admin()
  const { rows } = await client.query<{ job: string; token: number }>(`select job, token::int as token from ${EFFECTS}`)
  for (const row of rows) record({ kind: 'effect_stored', ...row })
  await client.end()
}

/** Large values tell nothing and fill the disk. */
function lean(job: JobView): JobView {
  const { work, call, n } = (job.payload ?? {}) as { work?: unknown; call?: unknown; n?: unknown }
  const { result, ...rest } = job
  const token = (result as { token?: unknown } | null | undefined)?.token
  return { ...rest, payload: { work, call, n }, ...(typeof token === 'number' ? { result: { token } } : {}) }
}
