import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { embeddedFailed, fromError, fromOutput } from './failures.ts'
import type { KernelLock } from './lock.ts'
import type { Owner } from './owner.ts'
import { give, makePrivate, type Place } from './place.ts'
import type { Programs } from './programs.ts'

export const USER = 'forgeq'
export const DATABASE = 'forgeq'

/**
 * Makes the cluster with its password in a folder beside its place and renames it there when it is complete and on the disk:
 * whatever is killed on the way, there is either no cluster or a whole one. The caller holds `lock`; so does initdb until
 * it ends, even if its starter is killed.
 */
export async function makeCluster(
  place: Place,
  programs: Programs,
  owner: Owner | undefined,
  lock: KernelLock,
): Promise<void> {
  removeUnfinished(place)
  const unfinished = `${place.cluster}.new-${randomBytes(4).toString('hex')}`
  makePrivate(unfinished, owner)
  const password = join(unfinished, 'password')
  try {
    writeFileSync(password, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600, flush: true })
    give(password, owner)
    const where = ['-D', join(unfinished, 'data'), '--pwfile', password]
    await initdb(place, programs, [...where, ...INITDB_OPTIONS], lock)
    syncFolder(unfinished)
    renameSync(unfinished, place.cluster)
    syncFolder(place.root)
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true })
    throw fromError(error, place.root)
  }
}

const INITDB_OPTIONS = [
  `--username=${USER}`,
  '--auth=scram-sha-256',
  '--encoding=UTF8',
  // The built-in provider sorts the same on every host, whatever locales it has.
  '--locale=C',
  '--locale-provider=builtin',
  '--builtin-locale=C.UTF-8',
  '--set=timezone=UTC',
  '--set=log_timezone=UTC',
]

function removeUnfinished(place: Place): void {
  for (const name of readdirSync(place.root))
    if (name.startsWith('cluster.new-')) rmSync(join(place.root, name), { recursive: true, force: true })
}

function initdb(place: Place, programs: Programs, args: string[], lock: KernelLock): Promise<void> {
  return new Promise((resolve, reject) => {
    const files = lock.fd === undefined ? [] : [lock.fd]
    const child = programs.spawn('initdb', args, { stdio: ['ignore', 'pipe', 'pipe', ...files] })
    let output = ''
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else reject(fromOutput(`initdb (ended with ${signal ?? code})`, place.root, output))
    })
  })
}

/** Refuses data that another major version of PostgreSQL wrote. @throws {ForgeQError} `embedded_failed` */
export function checkMajor(place: Place, { major }: Programs): void {
  const found = readFileSync(join(place.data, 'PG_VERSION'), 'utf8').trim()
  if (found === String(major)) return
  throw embeddedFailed(
    `${place.data} was made by PostgreSQL ${found}, and this release of ForgeQ brings PostgreSQL ${major}`,
    `use the release of ForgeQ that made it, or move ${place.root} away to begin anew`,
  )
}

/** Makes ForgeQ's database in a running server unless it is there; a starter may have been killed before it came to that. */
export async function ensureDatabase(place: Place, connection: pg.ClientConfig): Promise<void> {
  if (existsSync(place.ready)) return
  const client = new pg.Client({ ...connection, database: 'postgres' })
  client.on('error', () => undefined) // the query that was under way says it too
  try {
    await client.connect()
    const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE])
    if (!rowCount) await client.query(`create database ${DATABASE}`).catch(orThere)
  } finally {
    await client.end().catch(() => undefined)
  }
  writeFileSync(place.ready, '')
}

/** The backend of a starter that was killed may still be making it: 42P04 when it has ended, 23505 when both end at once. */
function orThere(error: unknown): void {
  if (!['42P04', '23505'].includes((error as { code?: string }).code ?? '')) throw error
}

function syncFolder(folder: string): void {
  if (process.platform === 'win32') return
  const fd = openSync(folder, 'r')
  fsyncSync(fd)
  closeSync(fd)
}
