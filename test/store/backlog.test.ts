import { beforeAll, describe, expect, test } from 'vitest'
import { uuidv7 } from 'uuidv7'
import { DEFAULTS } from '../../src/config.ts'
import { createJobQueue } from '../../src/queue/create.ts'
import { connect } from '../../src/store/database.ts'
import { insertJobs } from '../../src/store/enqueue.ts'
import { registerSession } from '../../src/store/sessions.ts'
import { StoreLeases } from '../../src/worker/store-leases.ts'
import { testDatabase } from '../support/database.ts'
import { newJob } from '../support/factory.ts'
import { buffersOf, explainPrepared, prepare, statementOf } from '../support/plans.ts'
import { until } from '../support/worker.ts'

/** Of a type that nobody serves. */
const BACKLOG = Number(process.env['FORGEQ_BACKLOG'] ?? 50_000)
const WORKERS = 20
const SERVED = ['one', 'two', 'three']
const OF_EACH = 2_000

const db = testDatabase({ size: 2 * WORKERS + 5 })

const waiting = (n: number, type: string) =>
  db.sql(
    `insert into forgeq.jobs (id, queue, type, state, run_at, created_at, payload, max_attempts)
     select gen_random_uuid(), 'default', $1, 'pending', clock_timestamp(), clock_timestamp(), '{}', 25 from generate_series(1, $2::int)`,
    type,
    n,
  )

/** Pages that one enqueue touches. */
async function pagesOfAnEnqueue(): Promise<number> {
  const connection = await connect(db.connection, 'backlog')
  try {
    const enqueue = await statementOf((on) => insertJobs(on, [{ ...newJob(), id: uuidv7() }]))
    await prepare(connection, 'enqueue', enqueue)
    const pages: number[] = []
    for (let n = 0; n < 20; n++) {
      const other = await statementOf((on) => insertJobs(on, [{ ...newJob(), id: uuidv7() }]))
      pages.push(buffersOf(await explainPrepared(connection, 'enqueue', other.values, { analyze: true })))
    }
    return pages.toSorted((a, b) => a - b)[10]!
  } finally {
    await connection.close()
  }
}

/** Milliseconds of 400 enqueues, one after the other. */
async function enqueueTimes(): Promise<{ p50: number; p99: number }> {
  const queue = createJobQueue(db.pool, DEFAULTS)
  const times: number[] = []
  for (let n = 0; n < 400; n++) {
    const begun = performance.now()
    await queue.enqueue(newJob())
    times.push(performance.now() - begun)
  }
  await queue.flush()
  times.sort((a, b) => a - b)
  return { p50: times[200]!, p99: times[396]! }
}

interface Reads {
  /** Live jobs that were read. */
  rows: number
  /** Entries of indexes, those of jobs that have gone on since included. */
  entries: number
}

/** What was read of the live jobs so far, by all whose connections have ended. */
async function readsOfJobs(): Promise<Reads> {
  const [row] = await db.sql<Reads>(
    `select (seq_tup_read + idx_tup_fetch)::float8 as rows,
            (select sum(idx_tup_read) from pg_stat_user_indexes where relid = tables.relid)::float8 as entries
       from pg_stat_user_tables as tables
      where relid = 'forgeq.jobs'::regclass`,
  )
  return row!
}

describe(`beside ${BACKLOG.toLocaleString('en')} waiting jobs of a type that nobody serves`, () => {
  let empty: { pages: number; times: { p50: number; p99: number } }

  beforeAll(async () => {
    await enqueueTimes() // what a first call does and no other
    empty = { pages: await pagesOfAnEnqueue(), times: await enqueueTimes() }
    await waiting(BACKLOG, 'nobodys')
    for (const type of SERVED) await waiting(OF_EACH, type)
  }, 300_000)

  test('an enqueue touches as many pages as on an empty table, but for the height of its indexes', async () => {
    expect(await pagesOfAnEnqueue()).toBeLessThanOrEqual(empty.pages + 12)
  })

  test('an enqueue takes no longer, the slowest of a hundred neither', async () => {
    const { p50, p99 } = await enqueueTimes()
    if (process.env['FORGEQ_BACKLOG']) process.stdout.write(`${JSON.stringify({ empty, full: { p50, p99 } })}\n`)
    expect(p50).toBeLessThan(2 * empty.times.p50 + 1)
    // One stall of a busy machine is not the backlog's.
    expect(p99).toBeLessThan(5 * empty.times.p99 + 20)
  })

  test('claims of 20 workers together read at most 20 rows for each that they lease', async () => {
    const before = await readsOfJobs()
    const all = SERVED.length * OF_EACH
    const taken = new Set<string>()
    async function work(): Promise<void> {
      const id = uuidv7()
      const worker = { id, name: id, host: 'h', pid: 1 }
      await registerSession(db.pool, { ...worker, version: 't', queues: [], types: SERVED, concurrency: 10 }, 600_000)
      const leases = new StoreLeases({ db: db.pool, types: SERVED, queues: null, lookMs: 1_000 })
      const wish = { perQueue: new Map<string, number>(), startable: 10, suspects: true }
      while (taken.size < all) {
        const { leases: found } = await leases.lease({ session: { id, worker, lost: false }, limit: 20, ...wish })
        for (const { id: job } of found) taken.add(job)
      }
      await leases.close()
    }
    await Promise.all(Array.from({ length: WORKERS }, work))
    expect(taken.size).toBe(all)
    // A connection tells what it has read when it ends, before it is seen no more.
    await until('the connections of the claims have ended', async () => {
      const [{ n } = { n: 1 }] = await db.sql<{ n: number }>(
        `select count(*)::int as n from pg_stat_activity where datname = current_database() and query like '%forgeq:claim_jobs%' and pid <> pg_backend_pid()`,
      )
      return n === 0
    })
    const after = await readsOfJobs()
    const [rows, entries] = [(after.rows - before.rows) / all, (after.entries - before.entries) / all]
    if (process.env['FORGEQ_BACKLOG']) process.stdout.write(`${JSON.stringify({ rows, entries })} for each\n`)
    expect(rows).toBeLessThanOrEqual(20)
    // Entries of what others have leased meanwhile are walked over until they are cleaned away: more on a busy machine.
    expect(entries).toBeLessThanOrEqual(150)
  })
})
