import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { madeDataDir, serversOf } from '../embedded/harness.ts'
import { NOTING_HANDLER, notesOf, type Note } from './notes.ts'
import { answer, answerJson, forgeq, kill, leaveNothing, project, until, write, type Running } from './processes.ts'
import { closeProxies, openProxy } from './proxy.ts'

const db = testDatabase()
afterEach(leaveNothing)
afterEach(closeProxies)

const SLOTS = 10
const BUFFERED = 50
const PACE_MS = 200 // 10 slots get through 50 of these in the second that a worker leases ahead

const LATE_MS = 20_000

interface Loaded {
  folder: string
  worker: Running
  /** Runs of the long jobs. */
  long: () => Note[]
}

/** A worker that runs 10 jobs of `longMs` and holds about 50 more that it has not started. */
async function loadedWorker(
  type: string,
  longMs: number,
  { url = db.url, flags = [] as string[] } = {},
): Promise<Loaded> {
  const folder = project({ [`handlers/${type}.ts`]: NOTING_HANDLER })
  const worker = forgeq(folder, ['worker', '--concurrency', String(SLOTS), ...flags], { env: { DATABASE_URL: url } })
  await worker.printed('serves')
  await enqueue(folder, type, SLOTS, PACE_MS)
  await until(async () => (await counts(type)).completed === SLOTS)
  await enqueue(folder, type, 2 * (SLOTS + BUFFERED), longMs)
  const long = () => notesOf(folder).slice(SLOTS)
  await until(async () => long().length === SLOTS && (await counts(type)).running! >= SLOTS + BUFFERED - 10)
  return { folder, worker, long }
}

const enqueue = (folder: string, type: string, jobs: number, ms: number) =>
  answer(folder, ['enqueue', '--ndjson'], {
    env: { DATABASE_URL: db.url },
    stdin: `${JSON.stringify({ type, payload: { ms } })}\n`.repeat(jobs),
  })

async function counts(type: string): Promise<Record<string, number>> {
  const rows = await db.sql<{ state: string; count: number }>(
    `select state, count(*)::int from forgeq.jobs where type = $1 group by 1
      union all select state, count(*)::int from forgeq.finished_jobs where type = $1 group by 1`,
    type,
  )
  return Object.fromEntries(rows.map(({ state, count }) => [state, count]))
}

const spent = (type: string) =>
  db.sql(
    `select id, state, attempt, error from forgeq.jobs where type = $1 and (attempt <> 0 or error is not null)`,
    type,
  )

/** Sends the signal; gives the exit code and how long it took. */
async function terminate(
  worker: Running,
  signal: NodeJS.Signals = 'SIGTERM',
): Promise<{ code: unknown; tookMs: number }> {
  const toldAt = performance.now()
  worker.kill(signal)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it has not ended:\n${worker.text()}`)), LATE_MS)
  })
  const code = await Promise.race([worker.ended, late]).finally(() => clearTimeout(timer))
  return { code, tookMs: performance.now() - toldAt }
}

test.each(['SIGTERM', 'SIGHUP'] as const)(
  'on %s what runs finishes, what is buffered goes back at attempt 0, and the worker exits 0',
  async (signal) => {
    const type = `drained_${signal.toLowerCase()}`
    const { worker, long } = await loadedWorker(type, 2_000)
    const { code, tookMs } = await terminate(worker, signal)
    expect(code, worker.text()).toBe(0)
    expect(tookMs).toBeLessThan(5_000)
    expect(long()).toHaveLength(SLOTS)
    expect(await counts(type)).toEqual({ completed: 2 * SLOTS, pending: SLOTS + 2 * BUFFERED })
    expect(await spent(type)).toEqual([])
  },
)

test('what is not done within the grace period goes back: aborted and uncounted, or counted when it heeds no signal', async () => {
  const { worker } = await loadedWorker('cut_off', 60_000, { flags: ['--grace', '1s'] })
  const { code, tookMs } = await terminate(worker)
  expect(code, worker.text()).toBe(0)
  expect(tookMs).toBeGreaterThan(1_000)
  expect(tookMs).toBeLessThan(1_000 + 5_000)
  const { completed, running = 0, ...back } = await counts('cut_off')
  expect({ completed, running }).toEqual({ completed: SLOTS, running: 0 })
  expect(back).toEqual({ retrying: SLOTS, pending: SLOTS + 2 * BUFFERED })
})

test.each(['cut', 'hang'] as const)(
  'the worker ends in time when the way to Postgres is gone (%s); nothing is lost',
  async (how) => {
    const proxy = await openProxy(db.connection)
    const type = `gone_${how}`
    const flags = ['--grace', '1s', '--lease', '2s', '--heartbeat', '500ms']
    const { folder, worker } = await loadedWorker(type, 700, { url: proxy.url, flags })
    if (how === 'cut') await proxy.cut()
    else proxy.hang()
    const { code, tookMs } = await terminate(worker)
    expect(code, worker.text()).toBe(0)
    expect(tookMs).toBeLessThan(1_000 + 5_000)

    const next = forgeq(folder, ['worker', '--concurrency', '100', ...flags], { env: { DATABASE_URL: db.url } })
    const all = 2 * (SLOTS + BUFFERED) + SLOTS
    await until(async () => (await counts(type)).completed === all)
    expect((await terminate(next)).code).toBe(0)
  },
  60_000,
)

test('the worker ends in time when its embedded PostgreSQL is killed with -9', async () => {
  const folder = join(await madeDataDir(), '..')
  write(folder, 'handlers/job.ts', NOTING_HANDLER)
  const worker = forgeq(folder, ['worker', '--grace', '1s'])
  await worker.printed('serves job')
  await answer(folder, ['enqueue', '--type', 'job', '--payload', '{"ms":500}'])
  await until(() => notesOf(folder).length === 1)
  for (const pid of serversOf(folder)) kill(pid, 'SIGKILL')
  const { code, tookMs } = await terminate(worker)
  expect(code, worker.text()).toBe(0)
  expect(tookMs).toBeLessThan(1_000 + 5_000)
})

test('two signals of the same instant count as one: what runs still finishes', async () => {
  const { worker } = await loadedWorker('one_key_press', 1_500)
  worker.kill('SIGTERM')
  worker.kill('SIGINT')
  expect(await worker.ended, worker.text()).toBe(0)
  expect(await counts('one_key_press')).toEqual({ completed: 2 * SLOTS, pending: SLOTS + 2 * BUFFERED })
})

test('a second signal a second later ends the worker at once; its job goes back by its lease', async () => {
  const env = { DATABASE_URL: db.url }
  const flags = ['--lease', '2s', '--heartbeat', '500ms', '--recovery-interval', '500ms']
  const folder = project({ 'handlers/long.ts': NOTING_HANDLER })
  const worker = forgeq(folder, ['worker', ...flags], { env })
  await worker.printed('serves')
  await answer(folder, ['enqueue', '--type', 'long', '--payload', '{"ms":60000}'], { env })
  await until(() => notesOf(folder).length === 1)
  worker.kill('SIGTERM')
  await new Promise((resolve) => setTimeout(resolve, 1_050)) // the span that makes the next one a second signal
  const { code, tookMs } = await terminate(worker)
  expect(code, worker.text()).toBe(143)
  expect(tookMs).toBeLessThan(1_000)
  await forgeq(folder, ['worker', ...flags], { env }).printed('serves')
  await until(() => notesOf(folder).length === 2)
})

test.each(['worker', 'server', 'dev'])(
  'SIGTERM to a %s that waits for the database ends it with 0 at once',
  async (command) => {
    const proxy = await openProxy(db.connection)
    await proxy.cut()
    const waiting = forgeq(project(), [command], { env: { DATABASE_URL: proxy.url } })
    await waiting.printed('waiting for the database')
    const { code, tookMs } = await terminate(waiting)
    expect(code, waiting.text()).toBe(0)
    expect(tookMs).toBeLessThan(3_000)
  },
)

test('SIGTERM while the embedded PostgreSQL is being made leaves a folder in which the next command works', async () => {
  const folder = project({ 'handlers/job.ts': NOTING_HANDLER })
  const worker = forgeq(folder, ['worker', '--log-level', 'debug'])
  await worker.printed('embedded_init')
  const { code, tookMs } = await terminate(worker)
  expect(code, worker.text()).toBe(0)
  expect(tookMs).toBeLessThan(20_000)
  const [id] = (await answer(folder, ['enqueue', '--type', 'job'])).split('\t')
  expect(await answerJson(folder, ['jobs', 'show', id!])).toMatchObject({ state: 'pending' })
  expect(readFileSync(join(folder, '.forgeq', '.gitignore'), 'utf8')).toContain('*')
})
