import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EmbeddedPostgres, openEmbedded } from '../../src/embedded/index.ts'
import { createFleet } from './fleet.ts'
import { copyProduct, type Product } from './product.ts'

// The full sizes: LIFECYCLE_FAILURES=100000 npx vitest run test/lifecycle/storms.test.ts
const FAILURES = Number(process.env['LIFECYCLE_FAILURES'] ?? 10_000)
const WORKERS = 50
const PROCESSES = 5
/** As many as one worker may have at the same time. */
const MOST_SLOTS = 10_000

let product: Product
let postgres: EmbeddedPostgres
let folder: string

beforeAll(async () => {
  product = await copyProduct()
  folder = mkdtempSync(join(tmpdir(), 'forgeq-lifecycle-storms-'))
  postgres = await openEmbedded({
    dataDir: folder,
    lingerMs: 0,
    settings: { fsync: 'off', max_connections: '400', shared_preload_libraries: 'pg_stat_statements' },
  })
})

afterAll(async () => {
  await postgres.release()
  product.remove()
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 500 })
})

async function withClient<T>(database: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ ...postgres.connection, database })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

async function migratedDatabase(name: string): Promise<string> {
  await withClient('postgres', (client) => client.query(`create database ${name}`))
  const { host, port, user, password } = postgres.connection
  const databaseUrl = `postgres://${user}:${encodeURIComponent(password)}@/${name}?host=${encodeURIComponent(host)}&port=${port}`
  const client = new product.library.ForgeQ({ databaseUrl })
  await client.migrate()
  await client.close()
  return databaseUrl
}

/** Statements a second in a database whose statements are counted, over so many seconds. */
async function statementRate(client: pg.Client, seconds: number): Promise<number> {
  const statements = async (): Promise<number> => {
    const { rows } = await client.query<{ calls: number }>(
      `select sum(calls)::int as calls from pg_stat_statements
        where dbid = (select oid from pg_database where datname = current_database())`,
    )
    return rows[0]!.calls
  }
  const [before, began] = [await statements(), performance.now()]
  await sleep(1_000 * seconds)
  return ((await statements()) - before) / ((performance.now() - began) / 1_000)
}

test('a worker that is alone and idle makes no more than two statements a second', async () => {
  const databaseUrl = await migratedDatabase('alone')
  const fleet = createFleet({ main: product.main, databaseUrl, processes: 1, workers: 1 })
  try {
    await withClient('alone', async (client) => {
      await client.query('create extension pg_stat_statements')
      await fleet.start()
      await sleep(1_500) // the first looks and passes
      const rate = await statementRate(client, 6)
      console.log(`an idle worker: ${rate.toFixed(2)} statements/s`)
      expect(rate).toBeGreaterThan(0.9) // it looks once a second
      expect(rate).toBeLessThanOrEqual(2)
    })
  } finally {
    await fleet.close()
  }
}, 60_000)

test('5 s after all of 50 workers were killed and started again the database has no more than twice its idle load', async () => {
  const databaseUrl = await migratedDatabase('restarted')
  const fleet = createFleet({ main: product.main, databaseUrl, processes: PROCESSES, workers: WORKERS })
  try {
    await withClient('restarted', async (client) => {
      await client.query('create extension pg_stat_statements')
      await fleet.start()
      await sleep(5_000)
      const idle = await statementRate(client, 8)
      await fleet.kill()
      await fleet.start()
      await sleep(5_000)
      const after = await statementRate(client, 8)
      console.log(
        `${WORKERS} workers: ${idle.toFixed(0)} statements/s idle, ${after.toFixed(0)} from 5 s after a restart`,
      )
      expect(idle).toBeGreaterThan(WORKERS / 5) // they are there: each has its heartbeat
      expect(idle).toBeLessThan(WORKERS)
      expect(after).toBeLessThanOrEqual(2 * idle)
    })
  } finally {
    await fleet.close()
  }
}, 120_000)

test('jobs that all fail in the same moment come back spread over at least 10 s, at no time more than three times the mean', async () => {
  const databaseUrl = await migratedDatabase('failed')
  const { ForgeQ, defineJob } = product.library
  const client = new ForgeQ({ databaseUrl })
  let begun = 0
  let breakDown: () => void = () => {}
  const broken = new Promise<void>((resolve) => (breakDown = resolve))
  const backAt: number[] = []
  const job = defineJob({
    type: 'failing',
    backoff: { kind: 'exponential', base: '5s' },
    run: async (_payload: unknown, { attempt }) => {
      if (attempt > 1) return void backAt.push(performance.now())
      begun++
      await broken
      throw new Error('the service that all of them call is down')
    },
  })
  const workers = Array.from({ length: Math.ceil(FAILURES / MOST_SLOTS) }, () =>
    client.worker({ jobs: [job], concurrency: Math.min(FAILURES, MOST_SLOTS) }),
  )
  try {
    for (let left = FAILURES; left > 0; left -= 1_000)
      await client.enqueueMany(Array.from({ length: Math.min(left, 1_000) }, () => [job, {}] as const))
    await Promise.all(workers.map((worker) => worker.start()))
    await until(() => begun === FAILURES)
    const failedAt = performance.now()
    breakDown()
    await until(() => backAt.length === FAILURES)

    const first = Math.min(...sampled(backAt, Math.min))
    const last = Math.max(...sampled(backAt, Math.max))
    const seconds = new Map<number, number>()
    for (const at of backAt) {
      const second = Math.floor((at - first) / 1_000)
      seconds.set(second, (seconds.get(second) ?? 0) + 1)
    }
    const spreadMs = last - first
    const mean = FAILURES / (spreadMs / 1_000)
    const most = Math.max(...seconds.values())
    console.log(
      `${FAILURES} failed together: the first was back after ${((first - failedAt) / 1_000).toFixed(1)} s, the last ` +
        `${(spreadMs / 1_000).toFixed(1)} s later; at most ${(most / mean).toFixed(2)} times the mean in a second`,
    )
    expect(spreadMs).toBeGreaterThanOrEqual(10_000)
    expect(most / mean).toBeLessThanOrEqual(3)
  } finally {
    breakDown()
    await Promise.all(workers.map((worker) => worker.stop({ grace: '1s' })))
    await client.close()
  }
}, 600_000)

/** The extreme of each thousand: all at once are more arguments than a call takes. */
const sampled = (values: readonly number[], extreme: (...of: number[]) => number): number[] =>
  Array.from({ length: Math.ceil(values.length / 1_000) }, (_, part) =>
    extreme(...values.slice(1_000 * part, 1_000 * (part + 1))),
  )

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(50)
}
