import { uuidv7 } from 'uuidv7'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { keepingOf } from '../../src/queue/create.ts'
import { connect, type Connection, type Database } from '../../src/store/database.ts'
import { expireJobs, promoteDueJobs } from '../../src/store/due.ts'
import { insertGivenJobs, insertJobs } from '../../src/store/enqueue.ts'
import { pruneKeys, takeKeys } from '../../src/store/keys.ts'
import { claimJobs, findLanes, noteStarts } from '../../src/store/leases.ts'
import { completeJobs } from '../../src/store/complete.ts'
import { completeInTransaction, findLease } from '../../src/store/complete-in-transaction.ts'
import { acceptedBefore, finishJobs, finishKeyedJobs, requeueJobs } from '../../src/store/outcomes.ts'
import { lookAround } from '../../src/store/look.ts'
import { writeProgress } from '../../src/store/progress.ts'
import { lockLostJobs, recoverJobs, syncLeases } from '../../src/store/recovery.ts'
import { searchJobs } from '../../src/store/search.ts'
import { heartbeat } from '../../src/store/sessions.ts'
import { rawSql, testDatabase } from '../support/database.ts'
import { insertSession, newJob } from '../support/factory.ts'
import { explainPrepared, type PlanNode, prepare, readsOf, rowsOf, statementOf } from '../support/plans.ts'

const db = testDatabase()
const keeping = keepingOf(DEFAULTS)
const sessionId = uuidv7()
const reporter = { sessionId, worker: { id: sessionId, name: 'w' } }
const ids = Array.from({ length: 100 }, () => uuidv7())
const completed = ids.map((id) => ({ id, token: 1, state: 'completed' as const, ranMs: 1 }))
const lane = (type = 'test') => ({ queue: 'default', type, priority: 0, after: null })
const everything = {
  states: null,
  queue: null,
  type: null,
  tag: null,
  key: null,
  worker: null,
  error: null,
  createdAfter: null,
  createdBefore: null,
  finishedAfter: null,
  payload: [],
  q: null,
}

type Call = (db: Database) => Promise<unknown>
const HOT: Record<string, Call> = {
  insert_jobs: (on) =>
    insertJobs(
      on,
      ids.map((id) => ({ ...newJob({ delayMs: 1 }), id })),
    ),
  insert_plain_jobs: (on) =>
    insertJobs(
      on,
      ids.map((id) => ({ ...newJob(), id })),
    ),
  insert_given_jobs: (on) =>
    insertGivenJobs(
      on,
      ids.map((id) => ({ ...newJob(), id })),
    ),
  take_keys: (on) => takeKeys(on, [{ key: 'k', jobId: ids[0]!, meaning: 'm' }]),
  claim_jobs: (on) => claimJobs(on, { sessionId, limit: 100, lanes: [lane()], nextLeaseNo: 1, startable: 10 }),
  claim_jobs_of_many_lanes: (on) =>
    claimJobs(on, { sessionId, limit: 100, lanes: [lane(), lane('other')], nextLeaseNo: 1, startable: 10 }),
  finish_jobs: (on) => finishJobs(on, reporter, completed, keeping),
  complete_jobs: (on) =>
    completeJobs(
      on,
      reporter,
      completed.map(({ id, token }, index) => ({ id, token, leaseNo: index + 1, resultJson: '1', ranMs: 1 })),
      keeping,
    ),
  complete_in_transaction: (on) =>
    completeInTransaction(on, reporter, { id: ids[0]!, token: 1, resultJson: '1', ranMs: 1 }, keeping),
  find_lease: (on) => findLease(on, sessionId, { id: ids[0]!, token: 1 }),
  finish_keyed_jobs: (on) => finishKeyedJobs(on, reporter, completed, keeping),
  requeue_jobs: (on) =>
    requeueJobs(
      on,
      reporter,
      ids.map((id) => ({ id, token: 1, state: 'retrying', delayMs: 1, counted: true, outcome: 'failed', ranMs: 1 })),
      keeping,
    ),
  accepted_before: (on) => acceptedBefore(on, sessionId, completed),
  write_progress: (on) =>
    writeProgress(
      on,
      sessionId,
      ids.map((id) => ({ id, token: 1, value: 0.5 })),
    ),
  note_starts: (on) => noteStarts(on, { sessionId, queue: 'default', upto: 3 }),
  heartbeat: (on) => heartbeat(on, { sessionId, leaseMs: 15_000, status: 'active' }),
  promote_due_jobs: (on) => promoteDueJobs(on, { limit: 1000 }),
  expire_jobs: (on) => expireJobs(on, { limit: 1000, keeping }),
  look_around: (on) => lookAround(on, { guess: false }),
  find_lanes: (on) => findLanes(on, { queues: null, types: ['test'] }),
  sync_leases: (on) =>
    syncLeases(on, { sessionId, upto: 1, known: ids.map((id) => ({ id, token: 1 })), maxGivenBack: 3 }),
  lock_lost_jobs: (on) => lockLostJobs(on, { limit: 500 }),
  recover_jobs: (on) =>
    recoverJobs(
      on,
      ids.map((id) => ({ id, token: 1, sessionId, state: 'pending', delayMs: 0, counted: true })),
      keeping,
    ),
  search_jobs: (on) => searchJobs(on, everything, { before: null, look: 100, limit: 100 }),
  prune_keys: (on) => pruneKeys(on, { limit: 1000 }),
}

/** Reads without a bound that are meant: the first entry of an index, the first leap over the lanes, and all that runs. */
const UNBOUNDED: Record<string, string[]> = {
  look_around: ['jobs_pending', 'jobs_by_session', 'jobs_due', 'jobs_expiring'],
  find_lanes: ['jobs_pending'],
  lock_lost_jobs: ['jobs_by_session'],
}
/** These know their jobs by id or by lane: the index of all leases is full of the dead entries of those before. */
const NEVER_BY_SESSION = /^(claim|complete|hold|finish|requeue|accepted|write|recover|insert|promote|expire)/

const JOBS = /^jobs$/
const HISTORY = /^finished_jobs/

/** What is wrong with a plan, one line each. */
function faultsOf(name: string, plan: PlanNode): string[] {
  const faults: string[] = []
  for (const node of [...readsOf(plan, JOBS), ...readsOf(plan, HISTORY), ...readsOf(plan, /^idempotency_keys$/)]) {
    const index = node['Index Name'] ?? ''
    const what = `${name}: ${node['Node Type']} of ${node['Relation Name']} ${index}`
    if (node['Node Type'] === 'Seq Scan') faults.push(what)
    else if (/Index/.test(node['Node Type']) && !node['Index Cond'] && !UNBOUNDED[name]?.includes(index))
      faults.push(`${what}, unbounded`)
    if (index === 'jobs_by_session' && NEVER_BY_SESSION.test(name)) faults.push(what)
  }
  return faults
}

const JOINS = ['', 'enable_nestloop', 'enable_hashjoin', 'enable_mergejoin']
const SETTINGS = ['force_generic_plan', 'force_custom_plan'].flatMap((mode) =>
  JOINS.map((join) => [mode, join] as const),
)

async function withSettings<T>(
  [mode, join]: readonly [string, string],
  work: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = await connect(db.connection, 'plans')
  try {
    await rawSql(connection, `set plan_cache_mode = ${mode}`)
    if (join) await rawSql(connection, `set ${join} = off`)
    return await work(connection)
  } finally {
    await connection.close()
  }
}

const statements = () =>
  Promise.all(Object.entries(HOT).map(async ([name, call]) => [name, await statementOf(call)] as const))

async function faultsUnder(settings: readonly [string, string]): Promise<string[]> {
  return withSettings(settings, async (connection) => {
    const faults: string[] = []
    for (const [name, statement] of await statements()) {
      await prepare(connection, name, statement)
      faults.push(...faultsOf(name, await explainPrepared(connection, name, statement.values)))
    }
    return faults
  })
}

const fill = (n: number, type = 'test') =>
  db.sql(
    `insert into forgeq.jobs (id, queue, type, state, run_at, created_at, payload, max_attempts)
     select gen_random_uuid(), 'default', $1, 'pending', clock_timestamp(), clock_timestamp(), '{}', 25 from generate_series(1, $2::int)`,
    type,
    n,
  )
const fillHistory = () =>
  db.sql(
    `insert into forgeq.finished_jobs (id, seq, queue, type, state, priority, run_at, created_at, finished_at, payload, attempt, max_attempts,
            life_start, lost, token, tags, delete_after)
     select gen_random_uuid(), n, 'default', 'test', 'completed', 0, now(), now(), now(), '{}', 1, 25, 0, 0, 1, '{}', (now() at time zone 'utc')::date + 7
       from generate_series(1, 5000) as n`,
  )

describe.each<[string, () => Promise<unknown>]>([
  ['never analysed', () => Promise.resolve()],
  [
    'analysed when they were empty',
    async () => {
      await db.sql('truncate forgeq.jobs, forgeq.finished_jobs')
      await db.sql('analyze forgeq.jobs, forgeq.finished_jobs')
      await fill(20_000)
      await fillHistory()
    },
  ],
  ['analysed when they were full', () => db.sql('analyze forgeq.jobs, forgeq.finished_jobs')],
  [
    'analysed when they were full, and emptied since',
    async () => {
      await db.sql('delete from forgeq.jobs where id <> all (select id from forgeq.jobs limit 100)')
      await db.sql('delete from forgeq.finished_jobs')
    },
  ],
])('tables %s', (_what, age) => {
  beforeAll(async () => {
    for (const table of ['jobs', 'finished_jobs_default', 'idempotency_keys'])
      await db.sql(`alter table forgeq.${table} set (autovacuum_enabled = false)`)
    if ((await db.sql('select from forgeq.jobs limit 1')).length === 0) {
      await fill(20_000)
      await fillHistory()
    }
    await age()
  })

  test.each(SETTINGS)('are never read whole, with %s and %s off', async (mode, join) => {
    expect(await faultsUnder([mode, join])).toEqual([])
  })
})

test.each(JOINS)('plans made while the tables were empty are good when they are full, with %s off', async (join) => {
  await db.sql('truncate forgeq.jobs, forgeq.finished_jobs')
  await db.sql('analyze forgeq.jobs, forgeq.finished_jobs')
  const faults = await withSettings(['force_generic_plan', join], async (connection) => {
    const all = await statements()
    for (const [name, statement] of all) {
      await prepare(connection, name, statement)
      await explainPrepared(connection, name, statement.values) // the plan that is kept from now on
    }
    await fill(20_000)
    await fillHistory()
    const found: string[] = []
    for (const [name, { values }] of all) found.push(...faultsOf(name, await explainPrepared(connection, name, values)))
    return found
  })
  expect(faults).toEqual([])
})

describe('beside 200,000 jobs of a type that nobody serves', () => {
  let live = ''
  beforeAll(async () => {
    await db.sql('truncate forgeq.jobs')
    await fill(200_000, 'nobodys')
    await fill(100, 'test')
    await fill(100, 'other')
    live = await insertSession(db.pool)
  })
  afterAll(() => db.sql('truncate forgeq.jobs'))

  async function analyse(call: Call, settings: readonly [string, string]): Promise<number> {
    return withSettings(settings, async (connection) => {
      const statement = await statementOf(call)
      await prepare(connection, 'one', statement)
      return rowsOf(await explainPrepared(connection, 'one', statement.values, { analyze: true }), JOBS)
    })
  }

  test.each(SETTINGS)('a look around reads a row of each kind, with %s and %s off', async (mode, join) => {
    expect(await analyse(HOT['look_around']!, [mode, join])).toBeLessThanOrEqual(4)
  })

  test.each(SETTINGS)(
    'a claim reads at most 20 rows for each that it leases, with %s and %s off',
    async (mode, join) => {
      const lanes = [lane('test'), lane('other')]
      for (const limit of [1, 10]) {
        const before = await db.sql(`select from forgeq.jobs where state = 'running'`)
        const read = await analyse(
          (on) => claimJobs(on, { sessionId: live, lanes, limit, nextLeaseNo: 1, startable: 1 }),
          [mode, join],
        )
        const leased = (await db.sql(`select from forgeq.jobs where state = 'running'`)).length - before.length
        expect(leased).toBe(limit)
        expect(read).toBeLessThanOrEqual(20 * limit)
      }
    },
  )

  test('lanes are found by a few leaps', async () => {
    expect(await analyse(HOT['find_lanes']!, ['force_custom_plan', ''])).toBeLessThanOrEqual(20)
  })

  test('a scheduler finds nothing due without reading what waits for later', async () => {
    await db.sql(
      `update forgeq.jobs set state = 'scheduled', run_at = run_at + interval '1 day', expires_at = now() + interval '2 days' where id in (select id from forgeq.jobs where type = 'nobodys' limit 20000)`,
    )
    for (const name of ['promote_due_jobs', 'expire_jobs'])
      for (const mode of ['force_generic_plan', 'force_custom_plan'])
        expect(await analyse(HOT[name]!, [mode, ''])).toBeLessThanOrEqual(20)
  })
})
