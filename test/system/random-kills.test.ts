import { uuidv7 } from 'uuidv7'
import { afterEach, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { type Note, notesOf, NOTING_HANDLER } from './notes.ts'
import { forgeq, freePort, kill, leaveNothing, project, server, until, type Running } from './processes.ts'

const db = testDatabase()
afterEach(leaveNothing)

const SEED = 20_260_711
const JOBS = 5_000
const PER_CALL = 100
const WORKERS = 3
const SLOTS = 10
const KILLS = 8
const BETWEEN_KILLS_MS = 1_200

interface Shown {
  id: string
  state: string
  attempt: number
  lost: number
  attempts: { attempt: number; token: number; outcome: string }[]
}

/** Numbers in [0, 1) that are the same in each run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Repeats a call until it is acknowledged, as the promise asks: with the same ids there is one job each. */
async function acknowledged(url: string, jobs: object[]): Promise<string[]> {
  for (;;) {
    try {
      const response = await fetch(`${url}/jobs/bulk`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jobs }),
        signal: AbortSignal.timeout(5_000),
      })
      if (response.status === 201)
        return ((await response.json()) as { jobs: { id: string }[] }).jobs.map(({ id }) => id)
      if (response.status < 500) throw new Error(`${response.status}: ${await response.text()}`)
    } catch (error) {
      if (!(error instanceof TypeError || (error as Error).name === 'TimeoutError')) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

test('5,000 jobs through HTTP, workers and the server killed with -9 on the way: every acknowledged job is final, no token used twice, one outcome each', async () => {
  const random = seeded(SEED)
  const env = { DATABASE_URL: db.url }
  const folder = project({ 'handlers/job.ts': NOTING_HANDLER })
  const flags = ['--lease', '2s', '--heartbeat', '400ms', '--recovery-interval', '500ms', '--log-level', 'warn']
  const port = String(await freePort())
  const startServer = () =>
    server(folder, ['--port', port, '--recovery-interval', '500ms', '--log-level', 'warn'], { env })
  let named = 0
  const startWorker = () =>
    forgeq(folder, ['worker', '--name', `w-${++named}`, '--concurrency', String(SLOTS), ...flags], { env })

  let api = await startServer()
  const workers: Running[] = Array.from({ length: WORKERS }, startWorker)
  await Promise.all(workers.map((worker) => worker.printed('serves job')))

  const ids: string[] = []
  const enqueueAll = async () => {
    while (ids.length < JOBS) {
      const jobs = Array.from({ length: PER_CALL }, () => ({
        id: uuidv7(),
        type: 'job',
        payload: { ms: Math.floor(random() * 80) },
      }))
      ids.push(...(await acknowledged(api.url, jobs)))
    }
  }
  const killSome = async () => {
    for (let n = 1; n <= KILLS; n++) {
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_KILLS_MS * (0.5 + random())))
      if (n === KILLS / 2) {
        kill(api.pid, 'SIGKILL')
        await api.ended
        api = await startServer()
      }
      const victim = Math.floor(random() * WORKERS)
      workers[victim]!.kill('SIGKILL')
      workers[victim] = startWorker()
    }
  }
  await Promise.all([enqueueAll(), killSome()])

  const open = async () => (await db.sql<{ n: number }>('select count(*)::int as n from forgeq.jobs'))[0]!.n
  await until(async () => (await open()) === 0, 100_000)

  expect(new Set(ids).size).toBe(JOBS)
  const notes = notesOf(folder)
  const uses = new Set(notes.map(({ job, token }) => `${job} ${token}`))
  expect(uses.size, 'a token was used twice').toBe(notes.length)

  const shown = await all(ids, async (id) => (await (await fetch(`${api.url}/jobs/${id}`)).json()) as Shown)
  const notesByJob = new Map<string, Note[]>()
  for (const note of notes) notesByJob.set(note.job, [...(notesByJob.get(note.job) ?? []), note])
  let lost = 0
  for (const { id, state, attempts } of shown) {
    expect(['completed', 'dead'], id).toContain(state)
    const tokens = attempts.map(({ token }) => token)
    expect(new Set(tokens).size, `${id}: a token twice`).toBe(tokens.length)
    expect(
      attempts.filter(({ outcome }) => outcome === 'completed' || outcome === 'dead').length,
      id,
    ).toBeLessThanOrEqual(1)
    expect(attempts.at(-1)!.outcome, id).toBe(state === 'completed' ? 'completed' : 'lost')
    lost += attempts.filter(({ outcome }) => outcome === 'lost').length
    for (const { token, attempt } of notesByJob.get(id) ?? [])
      expect(attempts, `${id}: a run that nobody recorded`).toContainEqual(expect.objectContaining({ token, attempt }))
  }
  expect(lost).toBeGreaterThan(0) // else nothing was killed in the middle of its work
  // What runs, and what may have started within about 100 ms: the rest of a buffer pays nothing.
  expect(lost).toBeLessThan(KILLS * (SLOTS + 45))
  console.log(
    `${notes.length} runs of ${JOBS} jobs, ${lost} lost, ${shown.filter(({ state }) => state === 'dead').length} dead`,
  )
}, 180_000)

async function all<T, R>(items: readonly T[], work: (item: T) => Promise<R>, atOnce = 32): Promise<R[]> {
  const results: R[] = []
  let next = 0
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (let n = next++; n < items.length; n = next++) results[n] = await work(items[n]!)
    }),
  )
  return results
}
