import { pino } from 'pino'
import { uuidv7 } from 'uuidv7'
import { DEFAULTS } from '../../src/config.ts'
import { keepingOf } from '../../src/queue/create.ts'
import type { Outcome } from '../../src/job/outcome.ts'
import type { Report, Session, Verdict } from '../../src/worker/lease.ts'
import { createReporter } from '../../src/worker/reporter.ts'
import type { TestDatabase } from '../support/database.ts'
import { insertSession } from '../support/factory.ts'

/** As many as the reporter writes in one statement. */
export const BATCH = 500

export interface Batch {
  /** In the order in which they are reported. */
  ids: string[]
  session: Session
}

/** Running jobs of one session, those at `marked` with the tag `poison`. */
export async function leasedBatch(
  db: TestDatabase,
  { size = BATCH, marked = [] as readonly number[], keyed = false } = {},
): Promise<Batch> {
  const session = await insertSession(db.pool, { expiresInMs: 600_000 })
  const ids = Array.from({ length: size }, uuidv7)
  await db.sql(
    `insert into forgeq.jobs (id, queue, type, state, run_at, created_at, payload, attempt, max_attempts, token, session_id, lease_no, started_at,
            idempotency_key, tags)
     select id, 'default', 'test', 'running', clock_timestamp(), clock_timestamp(), '{}', 1, 25, 1, $2, n, clock_timestamp(),
            case when $4 then id::text end, case when n - 1 = any ($3::int[]) then '{poison}' else '{}' end::text[]
       from unnest($1::uuid[]) with ordinality as job (id, n)`,
    ids,
    session,
    marked,
    keyed,
  )
  return { ids, session: { id: session, worker: { id: session, name: 'w', host: 'h', pid: 1 }, lost: false } }
}

export const reportOf = ({ ids, session }: Batch, index: number, outcome: Outcome, keyed = false): Report => ({
  lease: { id: ids[index]!, token: 1, session, queue: 'default', type: 'test', keyed },
  outcome,
  remembered: 'failed',
  ranMs: 1,
})

/** A reporter over the test's own database, with what it came to by job. */
export function reporterOf(db: TestDatabase) {
  const verdicts = new Map<string, Verdict>()
  const reporter = createReporter({
    db: db.pool,
    keeping: keepingOf(DEFAULTS),
    log: pino({ level: 'silent' }),
    onVerdict: ({ lease }, verdict) => void verdicts.set(lease.id, verdict),
  })
  return { reporter, verdicts }
}

export interface StoredJob {
  id: string
  state: string
  reason: string | null
  result: string | null
  error: { message: string; truncated?: true } | null
}

/** How these jobs are stored, by id. */
export async function storedJobs(db: TestDatabase, ids: readonly string[]): Promise<Map<string, StoredJob>> {
  const rows = await db.sql<Omit<StoredJob, 'error'> & { error: string | null }>(
    `select id, state, reason, result::text as result, error::text as error from forgeq.all_jobs where id = any ($1::uuid[])`,
    ids,
  )
  return new Map(rows.map((row) => [row.id, { ...row, error: JSON.parse(row.error ?? 'null') as StoredJob['error'] }]))
}
