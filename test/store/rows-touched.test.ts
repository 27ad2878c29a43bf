import { uuidv7 } from 'uuidv7'
import { beforeAll, describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { keepingOf } from '../../src/queue/create.ts'
import { completeJobs } from '../../src/store/complete.ts'
import { completeInTransaction, findLease } from '../../src/store/complete-in-transaction.ts'
import { connect, type Connection, type Database } from '../../src/store/database.ts'
import { expireJobs, promoteDueJobs } from '../../src/store/due.ts'
import { insertGivenJobs, insertJobs } from '../../src/store/enqueue.ts'
import { takeKeys } from '../../src/store/keys.ts'
import { claimJobs, findLanes, noteStarts } from '../../src/store/leases.ts'
import { lookAround } from '../../src/store/look.ts'
import { finishJobs, finishKeyedJobs, requeueJobs } from '../../src/store/outcomes.ts'
import { writeProgress } from '../../src/store/progress.ts'
import { lockLostJobs, recoverJobs, syncLeases } from '../../src/store/recovery.ts'
import { heartbeat } from '../../src/store/sessions.ts'
import { rawSql, testDatabase } from '../support/database.ts'
import { insertSession, newJob } from '../support/factory.ts'
import { buffersOf, explainPrepared, nodesOf, pairsOf, prepare, rowsOf, statementOf } from '../support/plans.ts'

/** So many jobs each statement is given, or takes. */
const N = 20
/** So many running jobs there are of each kind below. */
const HELD = 400
const db = testDatabase()
const keeping = keepingOf(DEFAULTS)
const idOf = (kind: number, n: number) =>
  `${String(kind).padStart(8, '0')}-0000-7000-8000-${String(n).padStart(12, '0')}`
const [MINE, KEYED, LOST] = [1, 2, 3]
const ids = (kind: number) => Array.from({ length: N }, (_, n) => idOf(kind, 10 * n + 1))
const [live, gone] = [uuidv7(), uuidv7()]
const reporter = { sessionId: live, worker: { id: live, name: 'w' } }
const completed = (kind: number) => ids(kind).map((id) => ({ id, token: 1, state: 'completed' as const, ranMs: 1 }))
const lane = (type: string) => ({ queue: 'default', type, priority: 0, after: null })
const claim = (types: string[]) => (on: Database) =>
  claimJobs(on, { sessionId: live, limit: N, lanes: types.map(lane), nextLeaseNo: 100_000, startable: 10 })
const fresh = () => Array.from({ length: N }, () => ({ ...newJob(), id: uuidv7() }))

interface Hot {
  call: (db: Database) => Promise<unknown>
  /** The indexes of the live table that it reads; none: it reads no live job. */
  by: string[]
  /** Jobs that it is about; 1 where it is about none. */
  jobs: number
  /** Compares each of its jobs with each other one: few at a time, and seldom. */
  pairwise?: true
}

/** What runs once a job, once a batch, once a heartbeat or once a look for work. */
const HOT: Record<string, Hot> = {
  insert_jobs: {
    call: (on) =>
      insertJobs(
        on,
        fresh().map((job) => ({ ...job, delayMs: 1 })),
      ),
    by: [],
    jobs: N,
  },
  insert_plain_jobs: { call: (on) => insertJobs(on, fresh()), by: [], jobs: N },
  insert_one_job: { call: (on) => insertJobs(on, fresh().slice(0, 1)), by: [], jobs: 1 },
  insert_given_jobs: { call: (on) => insertGivenJobs(on, fresh()), by: [], jobs: N },
  take_keys: { call: (on) => takeKeys(on, [{ key: 'k1', jobId: idOf(9, 9), meaning: 'm' }]), by: [], jobs: 1 },
  claim_jobs: { call: claim(['test']), by: ['jobs_pending', 'jobs_pkey'], jobs: N },
  claim_jobs_of_many_lanes: { call: claim(['test', 'other']), by: ['jobs_pending', 'jobs_pkey'], jobs: N },
  find_lanes: { call: (on) => findLanes(on, { queues: null, types: ['test'] }), by: ['jobs_pending'], jobs: 1 },
  note_starts: { call: (on) => noteStarts(on, { sessionId: live, queue: 'default', upto: 3 }), by: [], jobs: 1 },
  complete_jobs: {
    call: (on) =>
      completeJobs(
        on,
        reporter,
        completed(MINE).map(({ id, token }, index) => ({
          id,
          token,
          leaseNo: 10 * index + 1,
          resultJson: '1',
          ranMs: 1,
        })),
        keeping,
      ),
    by: ['jobs_pkey'],
    jobs: N,
  },
  finish_jobs: { call: (on) => finishJobs(on, reporter, completed(MINE), keeping), by: ['jobs_pkey'], jobs: N },
  finish_keyed_jobs: {
    call: (on) => finishKeyedJobs(on, reporter, completed(KEYED), keeping),
    by: ['jobs_pkey'],
    jobs: N,
  },
  complete_in_transaction: {
    call: (on) =>
      completeInTransaction(on, reporter, { id: idOf(KEYED, 1), token: 1, resultJson: '1', ranMs: 1 }, keeping),
    by: ['jobs_pkey'],
    jobs: 1,
  },
  find_lease: { call: (on) => findLease(on, live, { id: idOf(MINE, 1), token: 1 }), by: ['jobs_pkey'], jobs: 1 },
  requeue_jobs: {
    call: (on) =>
      requeueJobs(
        on,
        reporter,
        ids(KEYED).map((id) => ({
          id,
          token: 1,
          state: 'retrying',
          delayMs: 1,
          counted: true,
          outcome: 'failed',
          ranMs: 1,
        })),
        keeping,
      ),
    by: ['jobs_pkey'],
    jobs: N,
  },
  write_progress: {
    call: (on) =>
      writeProgress(
        on,
        live,
        ids(MINE).map((id) => ({ id, token: 1, value: 0.5 })),
      ),
    by: ['jobs_pkey'],
    jobs: N,
  },
  heartbeat: {
    call: (on) => heartbeat(on, { sessionId: live, leaseMs: 15_000, status: 'active' }),
    by: ['jobs_cancelling'],
    jobs: 1,
  },
  promote_due_jobs: { call: (on) => promoteDueJobs(on, { limit: N }), by: ['jobs_due', 'jobs_pkey'], jobs: N },
  expire_jobs: { call: (on) => expireJobs(on, { limit: N, keeping }), by: ['jobs_expiring', 'jobs_pkey'], jobs: N },
  look_around: {
    call: (on) => lookAround(on, { guess: false }),
    by: ['jobs_pending', 'jobs_by_session', 'jobs_due', 'jobs_expiring'],
    jobs: 4,
  },
  // It looks at all that its session holds.
  sync_leases: {
    call: (on) =>
      syncLeases(on, {
        sessionId: live,
        upto: 100_000,
        known: Array.from({ length: 2 * HELD - N }, (_, n) => ({
          id: idOf(n % 2 === 0 ? MINE : KEYED, n >> 1),
          token: 1,
        })),
        maxGivenBack: 3,
      }),
    by: ['jobs_by_session', 'jobs_pkey'],
    jobs: 2 * HELD,
  },
  // And this at all that the lost ones held, so that suspects come last.
  lock_lost_jobs: { call: (on) => lockLostJobs(on, { limit: N }), by: ['jobs_by_session'], jobs: HELD },
  recover_jobs: {
    call: (on) =>
      recoverJobs(
        on,
        ids(LOST).map((id, n) => ({
          id,
          token: 1,
          sessionId: gone,
          state: n % 2 === 0 ? 'pending' : 'dead',
          delayMs: 0,
          counted: true,
        })),
        keeping,
      ),
    by: ['jobs_pkey'],
    jobs: N,
    pairwise: true,
  },
}

/** Work of every sort, of which each statement is about a small part. */
async function fill(): Promise<void> {
  const insert = (values: string, from: string) =>
    db.sql(
      `insert into forgeq.jobs (id, type, state, run_at, expires_at, attempt, token, session_id, lease_no, idempotency_key, cancel_requested_at,
              queue, created_at, payload, max_attempts)
       select ${values}, 'default', now(), '{}', 25 from ${from}`,
    )
  const waiting = (type: string, state: string, runAt: string, expiresAt: string, n: number) =>
    insert(
      `gen_random_uuid(), '${type}', '${state}', now() + ${runAt}, now() + ${expiresAt}, 0, 0, null, null, null, null`,
      `generate_series(1, ${n}) as n`,
    )
  await waiting('test', 'pending', `n * interval '1 ms'`, 'null', 10_000)
  await waiting('other', 'pending', `n * interval '1 ms'`, 'null', 200)
  await waiting('nobodys', 'pending', `-interval '1 h'`, `interval '1 h'`, 3_000)
  await waiting('nobodys', 'pending', `-interval '1 h'`, `-interval '1 s'`, 500)
  await waiting('test', 'scheduled', `interval '1 h'`, 'null', 3_000)
  await waiting('test', 'scheduled', `-interval '1 s'`, 'null', 500)
  const running = (kind: number, session: string, key: string, cancel: string) =>
    insert(
      `(lpad('${kind}', 8, '0') || '-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 'test', 'running', now(), null::timestamptz, 1, 1,
       ${session}, n, ${key}, ${cancel}`,
      `generate_series(0, ${HELD - 1}) as n`,
    )
  await running(MINE, `'${live}'::uuid`, 'null', 'null')
  await running(KEYED, `'${live}'::uuid`, `'k' || n`, 'null')
  await running(LOST, `'${gone}'::uuid`, 'null', 'null')
  // Fifty workers more, with wishes to cancel.
  await running(4, `(select array_agg(id) from forgeq.sessions where id <> '${gone}')[1 + n % 50]`, 'null', 'now()')
  await db.sql(
    `insert into forgeq.idempotency_keys (key, job_id, meaning)
     select 'k' || n, case when n < ${HELD} then ('00000002-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid else gen_random_uuid() end, 'm'
       from generate_series(0, 3000) as n`,
  )
  await db.sql(
    `insert into forgeq.finished_jobs (id, seq, queue, type, state, priority, run_at, created_at, finished_at, payload, attempt, max_attempts,
            life_start, lost, token, tags, delete_after)
     select gen_random_uuid(), n, 'default', 'test', 'completed', 0, now(), now(), now(), '{}', 1, 25, 0, 0, 1, '{}', (now() at time zone 'utc')::date + 7
       from generate_series(1, 3000) as n`,
  )
}

const TABLES = 'forgeq.jobs, forgeq.finished_jobs, forgeq.idempotency_keys'
const empty = () => db.sql(`truncate ${TABLES}`)
const analyse = () => db.sql(`analyze ${TABLES}, forgeq.sessions`)
/** Statistics of a table full of jobs of one condition. */
const analysedWith = (state: string, session: string | null) => async () => {
  await empty()
  await db.sql(
    `insert into forgeq.jobs (id, queue, type, state, run_at, created_at, payload, max_attempts, attempt, token, session_id, lease_no)
     select gen_random_uuid(), 'default', 'test', $1, now() + interval '1 day', now(), '{}', 25, 1, 1, $2, case when $2::uuid is not null then n end
       from generate_series(1, 5000) as n`,
    state,
    session,
  )
  await analyse()
  await empty()
  await fill()
}

/**
 * Between two floods: statistics of the first, its pages, and not a row (whoever reads keeps vacuum from giving the
 * pages back). Then a plan that sorts all that waits looks as cheap as one that reads the first of an index.
 */
async function vacuumedBetweenFloods(): Promise<void> {
  await empty()
  await fill()
  await analyse()
  for (const table of TABLES.split(', ')) await db.sql(`delete from ${table}`)
  await db.sql(`vacuum (truncate off) ${TABLES}`)
  await fill()
}

const JOINS = ['no join', 'enable_nestloop', 'enable_hashjoin', 'enable_mergejoin']
const SETTINGS = ['force_generic_plan', 'force_custom_plan'].flatMap((mode) =>
  JOINS.map((join) => [mode, join] as const),
)

/** What one statement did beyond what it is about, one line each. Its work is rolled back. */
async function excessOf(connection: Connection, name: string, { call, by, jobs, pairwise }: Hot): Promise<string[]> {
  const statement = await statementOf(call)
  await prepare(connection, name, statement)
  await rawSql(connection, 'begin')
  const plan = await explainPrepared(connection, name, statement.values, { analyze: true })
  await rawSql(connection, 'rollback')
  const excess: string[] = []
  const indexes = new Set(
    nodesOf(plan)
      .filter(
        (node) =>
          /^jobs(_|$)/.test(node['Index Name'] ?? node['Relation Name'] ?? '') && node['Node Type'].endsWith('Scan'),
      )
      .map((node) => node['Index Name'])
      .filter((index) => index !== undefined),
  )
  const strange = [...indexes].filter((index) => !by.includes(index))
  if (strange.length > 0) excess.push(`${name} reads by ${strange.join(', ')}`)
  const missing = by.filter((index) => !indexes.has(index))
  if (missing.length > 0) excess.push(`${name} does not read by ${missing.join(', ')}`)
  const rows = rowsOf(plan, /^(jobs|finished_jobs.*|idempotency_keys)$/)
  const buffers = buffersOf(plan)
  if (rows > 4 * jobs + 50) excess.push(`${name} reads ${rows} rows for ${jobs} jobs`)
  const pairs = pairsOf(plan)
  if (pairs > 4 * jobs + 50 && !pairwise) excess.push(`${name} compares ${pairs} pairs for ${jobs} jobs`)
  if (buffers > 30 * jobs + 100) excess.push(`${name} touches ${buffers} pages for ${jobs} jobs`)
  return excess
}

describe.each<[string, () => Promise<unknown>]>([
  ['never analysed', fill],
  ['analysed when they were full', analyse],
  ['analysed when they were empty', () => empty().then(analyse).then(fill)],
  ['analysed when all jobs ran in one worker', analysedWith('running', live)],
  ['vacuumed between two floods', vacuumedBetweenFloods],
  ['analysed when all jobs waited for their time', analysedWith('scheduled', null)],
])('on tables %s', (_what, age) => {
  beforeAll(async () => {
    if ((await db.sql('select from forgeq.sessions limit 1')).length === 0) {
      for (const table of ['jobs', 'finished_jobs_default', 'idempotency_keys', 'sessions'])
        await db.sql(`alter table forgeq.${table} set (autovacuum_enabled = false)`)
      await insertSession(db.pool, { id: live, expiresInMs: 3_600_000 })
      await insertSession(db.pool, { id: gone, ended: 'lease expired' })
      for (let n = 0; n < 49; n++) await insertSession(db.pool, { expiresInMs: 3_600_000 })
    }
    await age()
  })

  test.each(SETTINGS)('every hot statement touches what it is about, with %s and %s off', async (mode, join) => {
    const connection = await connect(db.connection, 'rows-touched')
    try {
      await rawSql(connection, `set plan_cache_mode = ${mode}`)
      if (join !== 'no join') await rawSql(connection, `set ${join} = off`)
      const excess: string[] = []
      for (const [name, hot] of Object.entries(HOT)) excess.push(...(await excessOf(connection, name, hot)))
      expect(excess).toEqual([])
    } finally {
      await connection.close()
    }
  })
})
