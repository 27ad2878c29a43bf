import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import pg from 'pg'
import { openEmbedded } from '../../src/embedded/index.ts'
import { DEFAULTS } from '../../src/config.ts'
import { createJobQueue } from '../../src/queue/create.ts'
import { createPool } from '../../src/store/database.ts'
import { cpuMsOf, parentOf } from './cpu.ts'
import type { Options } from './options.ts'
import type { Done, Wish } from './producer.ts'

/** Everything that takes part: a PostgreSQL, workers, a producer. */
export interface Stage {
  /** Logs of the processes and the notes of the handlers. */
  readonly folder: string
  readonly ledger: string
  readonly client: pg.Client
  /** Of all processes but this one, and of those PostgreSQL's. */
  cpuMs(): { all: number; postgres: number }
  /** Resolves with how many were acknowledged. */
  produce(wish: Wish): Promise<number>
  pause(): Promise<void>
  resume(): Promise<void>
  /** Rejects when a process ends that should not. */
  readonly broken: Promise<never>
  close(): Promise<void>
}

const HERE = fileURLToPath(new URL('.', import.meta.url))
const QUEUE = 'default'

export async function setStage({ product, workers }: Options): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'forgeq-soak-'))
  const ledger = join(folder, 'ledger')
  mkdirSync(ledger)
  const embedded = await openEmbedded({ dataDir: join(folder, 'data'), lingerMs: 10_000 })
  const { host, port, user, password, database } = embedded.connection
  const url = `postgres://${user}:${encodeURIComponent(password)}@/${database}?host=${encodeURIComponent(host)}&port=${port}`
  const env = { ...process.env, DATABASE_URL: url, SOAK_LEDGER: ledger, SOAK_PRODUCT: product }
  const main = join(product, 'dist', 'cli', 'main.js')
  await promisify(execFile)(process.execPath, [main, 'migrate', 'up'], { cwd: folder, env })
  const pool = createPool(embedded.connection, { size: 2, purpose: 'soak' })
  const queue = createJobQueue(pool, DEFAULTS)
  const client = new pg.Client({ host, port, user, password, database, application_name: 'soak' })
  await client.connect()
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  const postmaster = parentOf(rows[0]!.pid)

  let closing = false
  const children: ChildProcess[] = []
  let breakOff: (error: Error) => void = () => {}
  const broken = new Promise<never>((_, reject) => (breakOff = reject))
  broken.catch(() => {})
  function start(name: string, args: string[], ipc = false): ChildProcess {
    const log = openSync(join(folder, `${name}.log`), 'a')
    const child = spawn(process.execPath, args, {
      cwd: folder,
      env,
      stdio: ['ignore', log, log, ...(ipc ? (['ipc'] as const) : [])],
    })
    closeSync(log)
    child.once('exit', (code, signal) => {
      if (!closing) breakOff(new Error(`${name} ended (${code ?? signal}); see ${folder}/${name}.log`))
    })
    children.push(child)
    return child
  }

  for (let n = 1; n <= workers; n++)
    start(`worker-${n}`, [
      main,
      'worker',
      '--handlers',
      join(HERE, 'handlers'),
      '--concurrency',
      '100',
      '--log-level',
      'warn',
    ])
  const producer = start(
    'producer',
    ['--import', import.meta.resolve('jiti/register'), join(HERE, 'producer.ts')],
    true,
  )
  await Promise.race([once(producer, 'message'), broken])

  return {
    folder,
    ledger,
    client,
    broken,
    cpuMs() {
      const postgres = postmaster === undefined ? 0 : cpuMsOf([postmaster])
      return { all: postgres + cpuMsOf(children.map(({ pid }) => pid!)), postgres }
    },
    async produce(wish) {
      producer.send(wish)
      const [done] = (await Promise.race([once(producer, 'message'), broken])) as [Done]
      return done.count
    },
    pause: async () => void (await queue.queues.pause(QUEUE)),
    async resume() {
      await queue.queues.resume(QUEUE)
      await queue.flush()
    },
    async close() {
      closing = true
      const alive = children.filter((child) => (child.exitCode ?? child.signalCode) === null)
      const ended = alive.map((child) => once(child, 'exit'))
      for (const child of alive) child.kill('SIGTERM')
      const late = setTimeout(() => alive.forEach((child) => child.kill('SIGKILL')), 15_000)
      await Promise.all(ended)
      clearTimeout(late)
      await client.end().catch(() => {})
      await pool.close()
      await embedded.release()
    },
  }
}

export const removeStage = ({ folder }: Stage): void => rmSync(folder, { recursive: true, force: true, maxRetries: 10 })
