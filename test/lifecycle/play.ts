import { randomBytes } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { callServer, type Callers } from './callers.ts'
import { makeProject, notesOf } from './handlers.ts'
import { judge, type Observed, type Verdict } from './judge.ts'
import { watchLag } from './lag.ts'
import type { Lane } from './lane.ts'
import { kill, launch, type Launched } from './launch.ts'
import { marked } from './marked.ts'
import { holdMigration, type MigrationHolder, watchMigration } from './migration.ts'
import type { Scenario } from './scenario.ts'
import { createWitness, jobsOf, type Witness } from './witness.ts'

export interface Played extends Verdict {
  scenario: Scenario
  /** For whoever reads what failed. */
  printed: string
}

const CALLED_AT_MOST = 200
const READY_MS = 30_000
/** What is acknowledged is done by then: two leases, two looks for lost ones, a pause. */
const SETTLED_MS = 25_000
const GONE_MS = 1_500

interface Stage {
  scenario: Scenario
  lane: Lane
  database: string
  url: string
  folder: string
  mark: string
  witness: Witness
  callers: Callers | undefined
  /** What is being done to the database. */
  fates: Promise<unknown>[]
  /** Enqueued before the process was told. */
  early: string[]
}

/** Plays one scenario to its end, when nothing of it is left, and judges it. */
export async function play(scenario: Scenario, lane: Lane): Promise<Played> {
  const database = `scenario_${scenario.number}`
  const url = await lane.makeDatabase(database, scenario.kind === 'told while it migrates' ? 'empty' : 'migrated')
  const witness = createWitness(lane.product, url)
  const folder = makeProject()
  const mark = randomBytes(12).toString('hex')
  const stage: Stage = {
    scenario,
    lane,
    database,
    url,
    folder,
    mark,
    witness,
    callers: undefined,
    fates: [],
    early: [],
  }
  const lag = watchLag()
  try {
    const observed = await observe(stage)
    const all = { ...observed, lagMs: lag.worstMs() }
    return { ...judge(all), scenario, printed: all.printed.out + all.printed.err }
  } finally {
    lag.stop()
    await stage.callers?.stop()
    for (const { pid } of marked(mark, folder)) kill(pid, 'SIGKILL')
    await witness.close().catch(() => {})
    await lane.postgres.start()
    await lane.dropDatabase(database)
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}

async function observe(stage: Stage): Promise<Omit<Observed, 'lagMs'>> {
  const { scenario, lane, database, witness, folder } = stage
  const { database: fate, kind } = scenario
  const isEmpty = kind === 'told while it migrates'
  if (!isEmpty) stage.early = await witness.enqueue(jobsOf(scenario.work))
  if (fate && fate.stopsAtMs === undefined) await stopDatabase(stage)
  const holder = scenario.migrationHeld ? await holdMigration(lane, database) : undefined
  const launched = await launch(argsOf(scenario), {
    ...launchOptions(stage, scenario.graceMs),
    output: scenario.output,
    orphanable: kind === 'parent gone' && !scenario.devKilled,
  })
  const ending = { over: false }
  void launched.ended.then(() => (ending.over = true))
  await reachPhase(stage, launched, ending, holder)
  let readyAt: number | undefined
  if (!fate && !isEmpty && kind !== 'told while it starts' && scenario.command !== 'server') {
    await witness.begin()
    readyAt = Date.now()
  }
  await sleep(scenario.atMs)
  const toldAt = await tell(stage, launched, ending)
  if (holder && scenario.migrationHeld?.forMs !== undefined)
    void sleep(scenario.migrationHeld.forMs).then(holder.release)
  const last = await Promise.race([launched.ended, sleep(scenario.graceMs + 15_000, undefined, { ref: false })])
  const endedAt = Date.now()
  holder?.release()
  const left = fate || !last || isEmpty ? undefined : await whatIsHeld(stage)
  const leftServerFile = existsSync(join(folder, '.forgeq', 'server.json'))
  const leftovers = await whatIsLeft(stage)
  await stage.callers?.stop()
  await Promise.all(stage.fates)
  await lane.postgres.start()
  const startsAgain = isEmpty || fate || kind === 'told while it starts'
  const again = startsAgain ? { problem: await startAgain(stage) } : undefined
  if (isEmpty && !again?.problem) stage.early = await witness.enqueue(jobsOf(scenario.work))
  const acknowledged = [...stage.early, ...(stage.callers?.acknowledged ?? [])]
  if (readyAt === undefined && !again?.problem) await witness.begin()
  if (!again?.problem) await settle(stage)
  const rows =
    again?.problem && isEmpty
      ? []
      : await lane.sql<JobRow>(stage.database, 'select id, type, state, attempt from forgeq.all_jobs')
  return {
    scenario,
    toldAt,
    ended: last === undefined ? undefined : { ...last, at: Math.min(last.at, endedAt) },
    printed: { out: launched.out(), err: launched.err() },
    leftovers,
    acknowledged,
    early: new Set(stage.early),
    jobs: new Map(rows.map(({ id, ...job }) => [id, job])),
    notes: notesOf(folder),
    witness: { readyAt, starts: witness.starts },
    left,
    leftServerFile,
    again,
  }
}

interface JobRow {
  id: string
  type: string
  state: string
  attempt: number
}

const launchOptions = ({ lane, folder, mark, url }: Stage, graceMs: number) => ({
  main: lane.product.main,
  folder,
  mark,
  databaseUrl: url,
  env: { FORGEQ_WORKER_NAME: 'told', FORGEQ_GRACE: `${graceMs}ms` },
})

function argsOf({ command }: Scenario): string[] {
  const port = ['--port', '0']
  const leases = ['--concurrency', '4', '--lease', '4s', '--heartbeat', '500ms']
  const loops = ['--recovery-interval', '500ms']
  if (command === 'server') return ['server', ...port, ...loops]
  if (command === 'worker') return ['worker', ...leases, ...loops]
  return ['dev', ...port, ...leases, ...loops]
}

/** Waits for what the scenario's signal comes in the midst of, or for an end before that. */
async function reachPhase(
  stage: Stage,
  launched: Launched,
  ending: { over: boolean },
  holder: MigrationHolder | undefined,
): Promise<void> {
  const { scenario, lane, database, folder } = stage
  const { kind, command, database: fate } = scenario
  if (kind === 'told while it starts') return
  if (fate && fate.stopsAtMs === undefined) return sleep(300 + 2 * scenario.atMs)
  const seen = async (condition: () => boolean | Promise<boolean>, pauseMs: number) => {
    for (const giveUpAt = Date.now() + READY_MS; !ending.over && !(await condition()); await sleep(pauseMs)) {
      if (Date.now() > giveUpAt) throw new Error(`${command} was not ready:\n${launched.out()}${launched.err()}`)
    }
  }
  if (kind === 'told while it migrates') {
    const migration = await watchMigration(lane, database)
    try {
      await seen(async () => (await (holder ? migration.waits() : migration.isUnderWay())) || isServing(folder), 3)
      if (scenario.migrationHeld?.at !== 'between') return
      await holder!.letOneThrough()
      return await seen(async () => (await migration.waits()) || (await migration.isDone()), 3)
    } finally {
      await migration.stop()
    }
  }
  if (command !== 'worker') {
    await seen(() => isServing(folder), 20)
    const url = ending.over ? undefined : urlOf(folder)
    if (url) stage.callers = callServer(url, { most: CALLED_AT_MOST, slow: scenario.slowCaller })
  }
  if (command !== 'server') await seen(() => notesOf(folder).length > 0, 20)
}

const serverFile = (folder: string) => join(folder, '.forgeq', 'server.json')
const isServing = (folder: string) => urlOf(folder) !== undefined

function urlOf(folder: string): string | undefined {
  try {
    return (JSON.parse(readFileSync(serverFile(folder), 'utf8')) as { url: string }).url
  } catch {
    return undefined // not written yet, or not wholly
  }
}

/** Sends what the scenario says, while the database goes as it says. Gives when each was sent. */
async function tell(stage: Stage, launched: Launched, ending: { over: boolean }): Promise<number[]> {
  const { scenario } = stage
  const { database: fate, told, kind, output } = scenario
  if (output === 'reader gone') {
    launched.stopReading()
    await sleep(400)
  }
  if (kind === 'parent gone') {
    launched.killParent()
    if (scenario.devKilled) launched.send('SIGKILL')
    await sleep(200)
  }
  const stopsAtMs = fate?.stopsAtMs
  const leadMs = Math.max(0, -(stopsAtMs ?? 0))
  if (stopsAtMs !== undefined) stage.fates.push(sleep(leadMs + stopsAtMs).then(() => stopDatabase(stage)))
  await sleep(leadMs)
  if (fate?.backAtMs !== undefined) {
    const stopped = Promise.all(stage.fates)
    stage.fates.push(
      sleep(fate.backAtMs)
        .then(() => stopped)
        .then(() => stage.lane.postgres.start()),
    )
  }
  const toldAt: number[] = []
  const first = Date.now()
  for (const { signal, afterMs } of told) {
    await sleep(Math.max(0, first + afterMs - Date.now()))
    if (ending.over) break
    launched.send(signal, scenario.toGroup)
    toldAt.push(Date.now())
  }
  return toldAt
}

async function stopDatabase({ scenario, lane }: Stage): Promise<void> {
  const how = scenario.database!.how
  if (how === 'kill') await lane.postgres.kill()
  else await lane.postgres.stop(how)
}

async function whatIsHeld({ lane, database }: Stage): Promise<{ sessions: number; jobs: number }> {
  const [held] = await lane.sql<{ sessions: number; jobs: number }>(
    database,
    `with mine as (select id from forgeq.sessions where name = 'told')
     select (select count(*)::int from forgeq.sessions where name = 'told' and ended_at is null) as sessions,
            (select count(*)::int from forgeq.jobs where session_id in (select id from mine)) as jobs`,
  )
  return held!
}

async function whatIsLeft({ scenario, mark, folder }: Stage): Promise<string[]> {
  const withinMs = scenario.devKilled ? scenario.graceMs + 5_000 : GONE_MS
  for (const giveUpAt = Date.now() + withinMs; ; await sleep(100)) {
    const left = marked(mark, folder)
    if (left.length === 0 || Date.now() > giveUpAt) return left.map(({ pid, command }) => `${pid} ${command}`)
  }
}

/** The same once more, as somebody would who finds it ended. Gives what is wrong. */
async function startAgain(stage: Stage): Promise<string | undefined> {
  const { scenario, folder } = stage
  rmSync(serverFile(folder), { force: true })
  const launched = await launch(argsOf(scenario), launchOptions(stage, 0))
  const says = { server: /listens on/, worker: /serves/, dev: /is ready on/ }[scenario.command]
  let over = false
  void launched.ended.then(() => (over = true))
  for (const giveUpAt = Date.now() + READY_MS; !says.test(launched.out()); await sleep(20)) {
    if (over || Date.now() > giveUpAt) {
      launched.send('SIGKILL', true)
      return `it was not ready: ${launched.out()}${launched.err()}`
    }
  }
  launched.send('SIGTERM')
  const { how } = await launched.ended
  return how === 0 ? undefined : `it ended with ${how}: ${launched.out()}${launched.err()}`
}

/** Waits until every job is final, or for as long as any may take. */
async function settle({ lane, database }: Stage): Promise<void> {
  const client = await lane.postgres.admin(database)
  try {
    for (const giveUpAt = Date.now() + SETTLED_MS; Date.now() < giveUpAt; await sleep(50)) {
      if ((await client.query('select from forgeq.jobs limit 1')).rowCount === 0) return
    }
  } finally {
    await client.end()
  }
}
