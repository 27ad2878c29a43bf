import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { acquireLock, type KernelLock } from './lock.ts'
import type { Place } from './place.ts'
import { isPostmaster, readPostmasterFile } from './postmaster-file.ts'
import { stopPostmaster } from './postmaster.ts'
import { identityOf, isAlive } from './process-identity.ts'
import { removeShortFolder } from './socket-folder.ts'
import { countUsers, usersChangedAt } from './users.ts'

// The keeper is a process of its own: whoever is the last user may be killed at any moment, and someone must still stop the server.

/** Starts the keeper of the place unless it lives or the place is gone. Two that start at once sort it out among themselves. */
export function ensureKeeper(place: Place, lingerMs: number): void {
  if (keeperLives(place) || !existsSync(place.root)) return
  const extension = extname(fileURLToPath(import.meta.url))
  const entry = join(dirname(fileURLToPath(import.meta.url)), `keeper-main${extension}`)
  const loader = extension === '.ts' ? ['--import', jitiRegister()] : []
  const log = openSync(place.log, 'a', 0o600)
  const { PATH, HOME, TMPDIR, SystemRoot, TEMP, TMP } = process.env // and nothing that may hold a secret
  const child = spawn(process.execPath, [...loader, entry, place.root, String(lingerMs)], {
    stdio: ['ignore', log, log],
    detached: true,
    cwd: process.platform === 'win32' ? undefined : '/',
    env: { PATH, HOME, TMPDIR, SystemRoot, TEMP, TMP },
  })
  child.once('error', () => undefined) // the users look again in a few seconds
  child.unref()
  closeSync(log)
}

const jitiRegister = () => {
  const manifest = createRequire(import.meta.url).resolve('jiti/package.json')
  return pathToFileURL(join(dirname(manifest), 'lib', 'jiti-register.mjs')).href
}

function keeperLives(place: Place): boolean {
  const identity = keeperOf(place)
  const seen = statSync(place.keeper, { throwIfNoEntry: false })
  return identity !== undefined && seen !== undefined && isAlive(identity, Date.now() - seen.mtimeMs)
}

function keeperOf(place: Place): string | undefined {
  try {
    return readFileSync(place.keeper, 'utf8')
  } catch {
    return undefined
  }
}

/** The keeper's life: stops the server once no user has lived for `lingerMs`, then ends. At most one lives a place. */
export async function keep(place: Place, lingerMs: number): Promise<void> {
  const me = identityOf(process.pid)
  if (!(await becomeKeeper(place, me))) return
  let server: string | undefined
  let changedAt = Number.NaN
  let idleSince = performance.now()
  for (;;) {
    const file = readPostmasterFile(place.data)
    if (file && isPostmaster(file.pid, place.data)) server = identityOf(file.pid)
    await sleep(LOOK_MS)
    if (server !== undefined && !existsSync(place.data)) return endServer(server)
    if (!existsSync(place.root)) return
    // A missing file of mine is not made again: it may be that the folder is being deleted, and this would keep it.
    const keeper = keeperOf(place)
    if (keeper === me) touch(place.keeper)
    else if (keeper !== undefined) return
    const changed = usersChangedAt(place)
    const isUsed = countUsers(place) > 0
    if (isUsed || changed !== changedAt) idleSince = performance.now()
    changedAt = changed
    const hasServed = readPostmasterFile(place.data) !== undefined
    if (isUsed || (hasServed && performance.now() - idleSince < lingerMs)) continue
    if (await stopWhenUnused(place)) return
  }
}

const LOOK_MS = 500

async function becomeKeeper(place: Place, me: string): Promise<boolean> {
  while (existsSync(place.root)) {
    const lock = await acquireLock(place.lock, 10_000)
    if (!lock) continue
    try {
      if (keeperLives(place)) return false
      rmSync(place.keeper, { force: true })
      writeFileSync(place.keeper, me, { mode: 0o644 })
      return true
    } finally {
      lock.release()
    }
  }
  return false
}

/** Under the lock nobody can become a user unseen: whoever comes at this moment waits, and then finds a stopped server to start. */
async function stopWhenUnused(place: Place): Promise<boolean> {
  let lock: KernelLock | undefined
  try {
    lock = await acquireLock(place.lock, 0)
    if (!lock || countUsers(place) > 0) return false
    if (!(await stopPostmaster(place))) return false
    removeShortFolder(place)
    rmSync(place.keeper, { force: true })
    return true
  } finally {
    lock?.release()
  }
}

/** The data were deleted under a running server: nothing is left to keep. */
function endServer(server: string): void {
  if (isAlive(server, Number.POSITIVE_INFINITY)) process.kill(Number.parseInt(server, 10), 'SIGQUIT')
}

function touch(path: string): void {
  try {
    utimesSync(path, new Date(), new Date())
  } catch {
    // just deleted
  }
}
