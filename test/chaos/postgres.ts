import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, openSync, closeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { copyBinaries, findBinaries } from '../../src/embedded/binaries.ts'
import { linkLibraries } from '../../src/embedded/links.ts'
import { canEnter, chooseOwner, type Owner } from '../../src/embedded/owner.ts'

/** Whom the product connects as. What is set for it leaves the harness's own connections alone. */
export const APP = 'chaos_app'
const ADMIN = 'chaos_admin'
export const DATABASE = 'chaos'
const PORT = 5432

const SETTINGS: { [name: string]: string } = {
  listen_addresses: '',
  fsync: 'on',
  max_connections: '150',
  superuser_reserved_connections: '10',
  shared_buffers: '64MB',
  // Small, so that the log of a crash is short and a full disk reaches the write-ahead log, too.
  max_wal_size: '64MB',
  min_wal_size: '16MB',
  // Whatever is committed without waiting for the disk stays in memory long enough to be lost with it.
  wal_writer_delay: '10s',
  log_min_messages: 'fatal',
  log_min_error_statement: 'panic',
  log_line_prefix: '%m [%p] ',
}

/** A PostgreSQL of the harness's own, which is killed, stopped, filled up and started again. */
export interface Postgres {
  readonly socket: string
  readonly data: string
  readonly postmaster: number | undefined
  /** A connection past all proxies, as a superuser. */
  admin(database?: string): Promise<pg.Client>
  /** A connection past all proxies, as the role of the product. */
  app(timeoutMs: number): Promise<pg.Client>
  /** Starts it and waits until it answers; tries again where the end of the one before is still in its way. */
  start(): Promise<void>
  stop(mode: 'fast' | 'immediate'): Promise<void>
  /** SIGKILL for the postmaster, and nothing else. */
  kill(): Promise<void>
  /** Ends it at once; it cannot be started again. */
  close(): Promise<void>
}

/** Makes a cluster below `folder`, whose data lie in `data` (an empty folder that exists), and starts it. */
export async function createPostgres({
  folder,
  data,
  log,
}: {
  folder: string
  data: string
  log: string
}): Promise<Postgres> {
  const owner = chooseOwner(data, folder)
  const programs = preparePrograms(folder, owner)
  const sockets = join(folder, 'socket')
  mkdirSync(sockets)
  const cluster = join(data, 'cluster')
  mkdirSync(cluster)
  for (const path of [sockets, cluster]) {
    if (owner) chownSync(path, owner.uid, owner.gid)
    chmodSync(path, 0o700)
  }
  await programs.run('initdb', [
    '-D',
    cluster,
    `--username=${ADMIN}`,
    '--auth=trust',
    '--encoding=UTF8',
    '--locale=C',
    '--wal-segsize=4',
    '--set=timezone=UTC',
    '--no-sync',
  ])

  let child: ChildProcess | undefined
  let closed = false

  const connect = async (config: pg.ClientConfig) => {
    const client = new pg.Client({ host: sockets, port: PORT, database: DATABASE, ...config })
    client.on('error', () => {}) // the query that was under way says it too
    try {
      await client.connect()
    } catch (error) {
      await client.end().catch(() => {})
      throw error
    }
    return client
  }
  const admin = (database = DATABASE) =>
    connect({ user: ADMIN, database, application_name: 'chaos-harness', connectionTimeoutMillis: 5_000 })

  async function start(): Promise<void> {
    const giveUpAt = performance.now() + 60_000
    while (!closed) {
      if (child?.exitCode !== null || child.signalCode !== null) child = spawnServer()
      try {
        const client = await admin('postgres')
        await client.query('select')
        return await client.end()
      } catch (error) {
        if (performance.now() > giveUpAt) throw new Error(`PostgreSQL does not come back; see ${log}`, { cause: error })
        await sleep(200)
      }
    }
  }

  function spawnServer(): ChildProcess {
    const settings = { ...SETTINGS, unix_socket_directories: sockets, port: String(PORT) }
    const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
    const out = openSync(log, 'a')
    try {
      return programs.start('postgres', ['-D', cluster, ...args], out)
    } finally {
      closeSync(out)
    }
  }

  const ended = async () => {
    const last = child
    if (!last || last.exitCode !== null || last.signalCode !== null) return
    await new Promise((resolve) => last.once('exit', resolve))
  }

  const postgres: Postgres = {
    socket: join(sockets, `.s.PGSQL.${PORT}`),
    data,
    get postmaster() {
      return child?.exitCode === null && child.signalCode === null ? child.pid : undefined
    },
    admin,
    app: (timeoutMs) =>
      connect({
        user: APP,
        application_name: 'chaos-probe',
        // A commit that waits for the disk takes with it whatever others have committed without waiting. Limits that
        // are set for the role do not reach the product, which sets its own.
        options: '-c synchronous_commit=off -c statement_timeout=0 -c lock_timeout=0',
        connectionTimeoutMillis: timeoutMs,
        query_timeout: timeoutMs,
      }),
    start,
    async stop(mode) {
      await programs.run('pg_ctl', ['stop', '-D', cluster, '-m', mode, '-w', '-t', '30'])
      await ended()
    },
    async kill() {
      child?.kill('SIGKILL')
      await ended()
    },
    async close() {
      closed = true
      await postgres.kill()
    },
  }

  await start()
  const client = await admin('postgres')
  await client.query(`create role ${APP} login`)
  await client.query(`create database ${DATABASE} owner ${APP}`)
  await client.end()
  return postgres
}

interface Programs {
  run(program: 'initdb' | 'pg_ctl', args: string[]): Promise<void>
  start(program: 'postgres', args: string[], out: number): ChildProcess
}

/** The PostgreSQL that npm installed, from where it lies or, where its user does not get there, from a copy. */
function preparePrograms(folder: string, owner: Owner | undefined): Programs {
  const installed = findBinaries()
  const isReachable = process.platform === 'linux' && (!owner || canEnter(owner, join(installed.folder, 'bin')))
  const { folder: home } = isReachable ? installed : copyBinaries(installed, folder)
  const libraries = join(folder, 'lib')
  linkLibraries(join(home, 'lib'), libraries)
  const options = {
    cwd: '/',
    env: { PATH: process.env['PATH'], LC_ALL: 'C', LD_LIBRARY_PATH: `${libraries}:${join(home, 'lib')}` },
    ...owner,
  }
  return {
    run: async (program, args) => void (await promisify(execFile)(join(home, 'bin', program), args, options)),
    start: (program, args, out) =>
      spawn(join(home, 'bin', program), args, { ...options, stdio: ['ignore', out, out], detached: true }),
  }
}
