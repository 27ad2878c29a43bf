import { chownSync, existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { checkMajor, DATABASE, ensureDatabase, makeCluster, USER } from './cluster.ts'
import { embeddedFailed, fromError } from './failures.ts'
import { ensureKeeper } from './keeper.ts'
import { acquireLock, type KernelLock } from './lock.ts'
import { canEnter, chooseOwner } from './owner.ts'
import { findPlace, give, giveAll, makeDataDir, movePlace, type Place } from './place.ts'
import type { PostmasterFile } from './postmaster-file.ts'
import { findPostmaster, type Stopped } from './postmaster.ts'
import { findPrograms } from './programs.ts'
import { startPostmaster } from './start-postmaster.ts'
import { enterUser } from './users.ts'

export interface EmbeddedOptions {
  /** absolute; made if missing, with mode 0700 and a `.gitignore` of its own */
  dataDir: string
  /** hears `embedded_waiting`, `embedded_init`, `embedded_start`, `embedded_ready` */
  onEvent?: (event: string, fields?: Record<string, unknown>) => void
  /** how long the server outlives its last user; 15 s unless told */
  lingerMs?: number
  /** PostgreSQL settings, in force when this call is the one that starts the server */
  settings?: Record<string, string>
}

export interface EmbeddedConnection {
  host: string
  port: number
  user: string
  password: string
  database: string
}

export interface BroughtUp {
  place: Place
  lingerMs: number
  connection: EmbeddedConnection
  /** whether the cluster was made now */
  created: boolean
  /** the file that enters this process as a user */
  user: string
}

/** Makes, starts or adopts the server, with a keeper, and enters this process as a user, all under the place's lock. */
export async function bringUp(options: EmbeddedOptions): Promise<BroughtUp> {
  const { dataDir, onEvent = () => undefined, lingerMs = 15_000, settings = {} } = options
  const startedAt = performance.now()
  const locks: KernelLock[] = []
  try {
    makeDataDir(dataDir)
    const folder = realpathSync(dataDir)
    locks.push(await waitForLock(join(folder, 'lock'), onEvent))
    let place = findPlace(folder)
    if (place.root !== folder) locks.push(await waitForLock(place.lock, onEvent))
    const found = await findPostmaster(place)
    let server: PostmasterFile
    let created = false
    if ('pid' in found) {
      server = found
      ensureKeeper(place, lingerMs)
    } else {
      const started = await makeAndStart(place, found, { locks, lingerMs, settings, onEvent })
      place = started.place
      server = started.server
      created = started.created
    }
    const connection = connectionTo(place, server)
    await ensureDatabase(place, connection)
    const user = enterUser(place)
    giveToOwner(place, user)
    const fields = { created, adopted: 'pid' in found, ms: Math.round(performance.now() - startedAt) }
    onEvent('embedded_ready', { data_dir: dataDir, pid: server.pid, ...fields })
    return { place, lingerMs, connection, created, user }
  } catch (error) {
    throw fromError(error, dataDir)
  } finally {
    for (const lock of locks.toReversed()) lock.release()
  }
}

interface Making extends Required<Pick<EmbeddedOptions, 'lingerMs' | 'settings' | 'onEvent'>> {
  locks: KernelLock[]
}

async function makeAndStart(at: Place, stopped: Stopped, { locks, lingerMs, settings, onEvent }: Making) {
  let place = at
  let toStart = stopped
  try {
    const owner = chooseOwner(place.data, place.root)
    if (owner && statSync(place.root).uid === 0) give(place.root, owner)
    const programs = findPrograms(place, owner)
    const created = !existsSync(place.cluster)
    if (owner && !created && statSync(place.data).uid === 0) giveAll(place.cluster, owner) // a copy that root made
    if (owner && !programs.entersClosedFolders && !canEnter(owner, place.root)) {
      if (!created) throw closed(place)
      toStart.lock?.release()
      place = movePlace(place.root, owner)
      locks.push(await waitForLock(place.lock, onEvent))
      toStart = (await findPostmaster(place)) as Stopped // a folder that nobody else has known
    }
    // Before the server, so that one whose starter is killed right now still has someone to stop it.
    ensureKeeper(place, lingerMs)
    if (created) {
      onEvent('embedded_init', { folder: place.root })
      await makeCluster(place, programs, owner, locks.at(-1)!)
    }
    checkMajor(place, programs)
    onEvent('embedded_start', { folder: place.root })
    return { place, created, server: await startPostmaster(place, toStart, { programs, owner, settings }) }
  } finally {
    toStart.lock?.release()
  }
}

const closed = (place: Place) =>
  embeddedFailed(
    `PostgreSQL, which refuses to run as root, cannot enter ${place.root} as another user any more`,
    'let others pass through the folders above it (chmod o+x), or run as the user who owns it',
  )

const LOCK_WAIT_MS = 600_000 // a server that replays a long log after a crash

async function waitForLock(
  path: string,
  onEvent: (event: string, fields: Record<string, unknown>) => void,
): Promise<KernelLock> {
  const free = await acquireLock(path, 0)
  if (free) return free
  onEvent('embedded_waiting', { lock: path })
  const lock = await acquireLock(path, LOCK_WAIT_MS)
  if (lock) return lock
  throw embeddedFailed(`another process has held ${path} for ten minutes`, 'see what it waits for, or end it')
}

const connectionTo = (place: Place, { socketFolder, port }: PostmasterFile): EmbeddedConnection => ({
  host: socketFolder || '127.0.0.1',
  port,
  user: USER,
  password: readFileSync(place.password, 'utf8').trim(),
  database: DATABASE,
})

/** What root made in a folder of another user is that user's, who may come without root the next time. */
function giveToOwner(place: Place, user: string): void {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = statSync(place.root)
  const { lock, postmasterLock, ready, socketNote, libraries, users } = place
  for (const path of [lock, postmasterLock, ready, socketNote, libraries, users, user, join(place.root, '.gitignore')])
    if (existsSync(path)) chownSync(path, uid, gid)
}
