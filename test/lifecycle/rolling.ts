import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { uuidv7 } from 'uuidv7'
import { between, type Random, seeded } from '../chaos/random.ts'
import { makeProject, notesOf } from './handlers.ts'
import { watchLag } from './lag.ts'
import type { Lane } from './lane.ts'
import { kill, launch, type Launched } from './launch.ts'
import { marked } from './marked.ts'
import { longestPause } from './pauses.ts'

export interface Rolled {
  problems: string[]
  acknowledged: number
  /** Processes that were replaced. */
  replaced: number
  /** Calls that a server did not answer or refused, and that were made again. */
  repeated: number
  /** Between two completions while there was work. */
  longestPauseMs: number
  /** From a call's first try to its acknowledgement. */
  longestCallMs: number
}

const SERVERS = 2
const WORKERS = 3
const CALLERS = 5
const PAUSE_MS = 2_000
const WAITING_AT_FIRST = 150
const SETTLED_MS = 60_000

/** Replaces every server and every worker, one after the other, while jobs come and go without a pause. */
export async function rollingRestart(lane: Lane, seed: number): Promise<Rolled> {
  const random = seeded(seed, 'rolling')
  const database = 'rolling'
  const url = await lane.makeDatabase(database, 'migrated')
  const folder = makeProject()
  const mark = randomBytes(12).toString('hex')
  const problems: string[] = []
  const lag = watchLag()
  const start = (args: string[]) => launch(args, { main: lane.product.main, folder, mark, databaseUrl: url })
  const ports = await Promise.all(Array.from({ length: SERVERS }, freePort))
  const starts = [
    ...ports.map((port) => () => started(start(['server', '--port', String(port)]), 'listens on')),
    ...Array.from({ length: WORKERS }, () => () => started(start(['worker', '--concurrency', '5']), 'serves')),
  ]
  const calls = createCalls(
    ports.map((port) => `http://127.0.0.1:${port}/jobs`),
    random,
  )
  try {
    const members = await Promise.all(starts.map((begin) => begin()))
    await calls.begin()
    for (const [index, begin] of starts.entries()) {
      await sleep(between(random, 100, 800))
      const member = members[index]!
      member.send('SIGTERM')
      const { how } = await member.ended
      if (how !== 0) problems.push(`${member.out().trim()}: ended with ${how}:\n${member.err()}`)
      members[index] = await begin()
    }
    await sleep(500)
    await calls.end()
    const rows = await settled(lane, database)
    const ends = notesOf(folder).filter(({ kind }) => kind === 'end')
    const acknowledged = [...calls.acknowledgedAt.keys()]
    const states = new Map(rows.map((row) => [row.id, row]))
    const lost = acknowledged.filter((id) => states.get(id)?.state !== 'completed')
    if (lost.length > 0) problems.push(`${lost.length} acknowledged jobs are not completed: ${lost[0]}`)
    const again = rows.filter(({ attempt }) => attempt !== 1)
    if (again.length > 0) problems.push(`${again.length} jobs were counted other than once: ${again[0]!.id}`)
    if (ends.length !== rows.length) problems.push(`${rows.length} jobs ended ${ends.length} times`)
    const longestPauseMs = longestPause(
      calls.acknowledgedAt,
      ends.map(({ job, at }) => ({ job, at })),
    )
    const limitMs = PAUSE_MS + 2 * lag.worstMs()
    if (longestPauseMs > limitMs) problems.push(`nothing was completed for ${longestPauseMs} ms while there was work`)
    if (calls.longestMs > limitMs) problems.push(`a call took ${calls.longestMs} ms`)
    for (const member of members) member.send('SIGTERM')
    await Promise.all(members.map(({ ended }) => ended))
    const { longestMs: longestCallMs, repeated } = calls
    return {
      problems,
      acknowledged: acknowledged.length,
      replaced: starts.length,
      repeated,
      longestPauseMs,
      longestCallMs,
    }
  } finally {
    lag.stop()
    await calls.end()
    for (const { pid } of marked(mark, folder)) kill(pid, 'SIGKILL')
    await lane.dropDatabase(database)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

export const inFigures = ({ replaced, acknowledged, repeated, longestPauseMs, longestCallMs }: Rolled): string =>
  `rolling restart: ${replaced} processes replaced, ${acknowledged} jobs acknowledged, ${repeated} calls repeated; ` +
  `longest pause between completions while there was work ${longestPauseMs} ms, longest call ${longestCallMs} ms`

async function started(launching: Promise<Launched>, says: string): Promise<Launched> {
  const launched = await launching
  let over = false
  void launched.ended.then(() => (over = true))
  while (!launched.out().includes(says)) {
    if (over) throw new Error(`it ended:\n${launched.out()}${launched.err()}`)
    await sleep(20)
  }
  return launched
}

interface Calls {
  acknowledgedAt: Map<string, number>
  repeated: number
  longestMs: number
  /** Resolves when there is work for everybody. */
  begin(): Promise<void>
  end(): Promise<void>
}

/** Callers that take the other server when one does not answer, with the same id, until the job is acknowledged. */
function createCalls(urls: string[], random: Random): Calls {
  const ending = new AbortController()
  let running: Promise<unknown> = Promise.resolve()
  const calls: Calls = { acknowledgedAt: new Map(), repeated: 0, longestMs: 0, begin, end }

  async function enqueue(caller: number): Promise<void> {
    const id = uuidv7()
    const body = JSON.stringify({ id, type: 'job', payload: { ms: between(random, 5, 120) } })
    const began = Date.now()
    for (let server = caller; ; server++) {
      const url = urls[server % urls.length]!
      const answer = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
        .then(async (response) => (await response.arrayBuffer(), response.status))
        .catch(() => undefined)
      if (answer === 201 || answer === 200) break
      if (answer !== undefined && answer < 500) throw new Error(`a server answered ${answer}`)
      calls.repeated++
      await sleep(20)
    }
    calls.acknowledgedAt.set(id, Date.now())
    calls.longestMs = Math.max(calls.longestMs, Date.now() - began)
  }

  async function begin(): Promise<void> {
    await Promise.all(Array.from({ length: WAITING_AT_FIRST }, (_, caller) => enqueue(caller)))
    calls.longestMs = 0
    const call = async (caller: number) => {
      for (let turn = caller; !ending.signal.aborted; turn++) {
        await enqueue(turn)
        await sleep(between(random, 20, 80))
      }
    }
    running = Promise.all(Array.from({ length: CALLERS }, (_, caller) => call(caller)))
  }

  async function end(): Promise<void> {
    ending.abort()
    await running
  }

  return calls
}

async function settled({ sql }: Lane, database: string) {
  for (const giveUpAt = Date.now() + SETTLED_MS; Date.now() < giveUpAt; await sleep(200)) {
    if ((await sql(database, 'select from forgeq.jobs limit 1')).length === 0) break
  }
  return sql<{ id: string; state: string; attempt: number }>(database, 'select id, state, attempt from forgeq.all_jobs')
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return port
}
