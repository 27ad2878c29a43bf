import { execFile } from 'node:child_process'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { EnqueuerReport, EnqueuerTask } from './enqueuer.ts'
import type { World } from './faults/fault.ts'
import type { Folder } from './folder.ts'
import type { Work } from './history.ts'
import type { Options } from './options.ts'
import { prepareTables } from './observer.ts'
import { APP, createPostgres, DATABASE, type Postgres } from './postgres.ts'
import { Member, type MemberOptions } from './product.ts'
import { openProxy } from './proxy.ts'
import { seeded } from './random.ts'
import type { Recorder } from './recorder.ts'
import { httpSender } from './send-http.ts'
import { payloadOf } from './sending.ts'
import * as settings from './settings.ts'

/** Everything that runs: the database, the product's processes, those who enqueue. */
export interface Stage {
  postgres: Postgres
  urls: string[]
  /** Ids that were acknowledged so far. */
  ids: string[]
  world: World
  product: readonly Member[]
  enqueuers: readonly Member[]
  stopEnqueuers(): Promise<void>
  /** Ends everything at once. */
  close(): Promise<void>
}

const HERE = fileURLToPath(new URL('.', import.meta.url))
const TYPESCRIPT = ['--import', import.meta.resolve('jiti/register')]

export async function setStage(options: Options, folder: Folder, record: Recorder): Promise<Stage> {
  const postgres = await createPostgres({
    folder: folder.path,
    data: folder.data,
    log: join(folder.logs, 'postgres.log'),
  })
  const main = join(options.product, 'dist', 'cli', 'main.js')
  const ids: string[] = []
  const ports = await Promise.all(settings.SERVERS.map(freePort))
  const urls = ports.map((port) => `http://127.0.0.1:${port}`)
  const members = new Map<string, Member>()

  async function add(
    name: string,
    what: MemberOptions['what'],
    command: (databaseUrl: string, name: string) => string[],
    env: (databaseUrl: string) => { [name: string]: string } = () => ({}),
  ): Promise<void> {
    const proxy = await openProxy(postgres.socket)
    const databaseUrl = `postgres://${APP}@127.0.0.1:${proxy.port}/${DATABASE}?sslmode=disable`
    members.set(
      name,
      new Member({
        name,
        what,
        proxy,
        command: (incarnation) => ({
          args: command(databaseUrl, incarnation),
          env: { DATABASE_URL: databaseUrl, CHAOS_PRODUCT: options.product, ...env(databaseUrl) },
        }),
        folder: folder.path,
        logs: folder.logs,
        history: folder.history,
        record,
        ...(what === 'enqueuer' ? { onMessage: (report) => ids.push(...(report as EnqueuerReport).acknowledged) } : {}),
      }),
    )
  }

  const ms = (value: number) => `${value}ms`
  const common = ['--recovery-interval', ms(settings.RECOVERY_MS), '--log-level', 'warn', '--log-format', 'json']
  const workerFlags = Object.entries({
    handlers: join(HERE, 'handlers'),
    lease: ms(settings.LEASE_MS),
    heartbeat: ms(settings.HEARTBEAT_MS),
    concurrency: String(settings.SLOTS),
    'stall-limit': ms(settings.STALL_LIMIT_MS),
    grace: '5s',
  }).flatMap(([flag, value]) => [`--${flag}`, value])
  for (const [n, name] of settings.SERVERS.entries())
    await add(name, 'server', () => [main, 'server', '--port', String(ports[n]), ...common])
  for (const name of settings.WORKERS)
    await add(name, 'worker', (_, incarnation) => [main, 'worker', '--name', incarnation, ...workerFlags, ...common])
  for (const name of settings.LIBRARY_WORKERS)
    await add(name, 'worker', () => [...TYPESCRIPT, join(HERE, 'library-worker.ts')])

  const enqueuer = (name: string, task: Omit<EnqueuerTask, 'seed' | 'product' | 'urls' | 'databaseUrl'>) =>
    add(
      name,
      'enqueuer',
      () => [...TYPESCRIPT, join(HERE, 'enqueuer.ts')],
      (databaseUrl) => ({
        CHAOS_TASK: JSON.stringify({
          ...task,
          seed: options.seed,
          product: options.product,
          urls,
          databaseUrl,
        } satisfies EnqueuerTask),
      }),
    )
  const [plain, keyed] = settings.HTTP_ENQUEUERS
  await enqueuer(plain, { via: 'http', lines: 6, pauseMs: 450, keyed: 20, named: 10 })
  await enqueuer(keyed, { via: 'http', lines: 6, pauseMs: 450, keyed: 80, named: 10 })
  await enqueuer(settings.LIBRARY_ENQUEUER, { via: 'library', lines: 3, pauseMs: 450, keyed: 10, named: 80 })
  await enqueuer(settings.CLI_ENQUEUER, { via: 'cli', lines: 1, pauseMs: 8_000, keyed: 50, named: 20 })

  await prepareTables(postgres, APP)
  await promisify(execFile)(process.execPath, [main, 'migrate', 'up'], {
    cwd: folder.path,
    env: {
      ...process.env,
      DATABASE_URL: `postgres://${APP}@/${DATABASE}?host=${encodeURIComponent(join(folder.path, 'socket'))}`,
    },
  })

  const all = [...members.values()]
  let calls = 0
  const world: World = {
    postgres,
    member: (name) => members.get(name)!,
    members: () => all,
    ownDisk: folder.ownDisk,
    enqueue: (work) => enqueue(work),
    killedPostgres: (pid) => record({ kind: 'killed', pid, what: 'postgres', busy: [] }),
  }

  async function enqueue(work: Work): Promise<void> {
    const call = `nemesis:${++calls}`
    const wish = { type: settings.TYPE, work, maxAttempts: 25, priority: 100 }
    record({ kind: 'enqueue_sent', call, via: 'http', jobs: [{ work, maxAttempts: 25 }] })
    const sender = httpSender(urls, seeded(options.seed, call))
    const answer = await sender.enqueue([{ wish, payload: payloadOf(wish, call, 0) }])
    record({ kind: 'enqueue_answered', call, ...answer })
  }

  const enqueuers = all.filter(({ what }) => what === 'enqueuer')
  return {
    postgres,
    urls,
    ids,
    world,
    product: all.filter(({ what }) => what !== 'enqueuer'),
    enqueuers,
    close: async () => void (await Promise.all([...all.map((member) => member.close()), postgres.close()])),
    stopEnqueuers: async () => void (await Promise.all(enqueuers.map((member) => member.stop(20_000)))),
  }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return port
}
