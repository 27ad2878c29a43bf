import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findBinaries } from './binaries.ts'
import { embeddedFailed } from './failures.ts'
import { acquireLock, locksAreInheritable, type KernelLock } from './lock.ts'
import type { Place } from './place.ts'
import { isPostmaster, readPostmasterFile, type PostmasterFile } from './postmaster-file.ts'

// Everything here is called by the holder of the place's lock: one process at a time decides about start and stop.

/** Nobody runs on the data: `lock` is PostgreSQL's own, to be handed to the server that is started, or released. */
export interface Stopped {
  lock: KernelLock | undefined
}

/**
 * The running server of the place, ready for connections; or, when none runs, the right to start one. Waits while one
 * starts or stops. @throws {ForgeQError} `embedded_failed` when one holds the data that cannot be reached
 */
export async function findPostmaster(place: Place): Promise<PostmasterFile | Stopped> {
  let silentSince: number | undefined
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 1.5, 100)) {
    const stopped = await lockOut(place, 0)
    if (stopped) return stopped
    const file = readPostmasterFile(place.data)
    if (file?.status === 'ready' && (await answers(file))) return file
    const lives = file !== undefined && isPostmaster(file.pid, place.data)
    // Its socket was removed under it: nobody will ever reach it again.
    if (lives && file.status === 'ready' && isUnreachable(file)) await stopPostmaster(place)
    silentSince = lives ? undefined : (silentSince ?? performance.now())
    const silentMs = performance.now() - (silentSince ?? performance.now())
    // After kill -9 of the server its backends end by themselves, unless one is deep in a computation.
    if (silentMs > 3000) endOrphans(place.data)
    if (silentMs > 30_000)
      throw embeddedFailed(
        `a PostgreSQL that cannot be reached from here, in another container perhaps, holds ${place.data}`,
        'stop it, or name another folder with --data-dir or FORGEQ_DATA_DIR',
      )
    await sleep(pauseMs)
  }
}

const socketOf = ({ socketFolder, port }: PostmasterFile) => join(socketFolder, `.s.PGSQL.${port}`)

const isUnreachable = (file: PostmasterFile) => file.socketFolder !== '' && !existsSync(socketOf(file))

function answers(file: PostmasterFile): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(file.socketFolder ? { path: socketOf(file) } : { host: '127.0.0.1', port: file.port })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** PostgreSQL's own lock: to be had only while no process of it, in whichever container, is on the data. */
async function lockOut(place: Place, waitMs: number): Promise<Stopped | undefined> {
  if (locksAreInheritable()) {
    const lock = await acquireLock(place.postmasterLock, waitMs)
    return lock && { lock }
  }
  const deadline = performance.now() + waitMs
  for (;;) {
    const file = readPostmasterFile(place.data)
    if (!file || !isPostmaster(file.pid, place.data)) return { lock: undefined }
    if (performance.now() >= deadline) return undefined
    await sleep(20)
  }
}

/** Stops the server, if one runs, with its data safe. False when it could not be stopped from here. */
export async function stopPostmaster(place: Place): Promise<boolean> {
  for (const [signal, waitMs] of [
    ['SIGINT', 30_000], // fast: ends the sessions, writes a checkpoint
    ['SIGQUIT', 10_000], // immediate: the next start replays the log
  ] as const) {
    const before = await lockOut(place, 0)
    if (before) return released(before)
    const file = readPostmasterFile(place.data)
    if (file && isPostmaster(file.pid, place.data)) sendSignal(file.pid, signal)
    const after = await lockOut(place, waitMs)
    if (after) return released(after)
  }
  return false
}

function released({ lock }: Stopped): true {
  lock?.release()
  return true
}

function sendSignal(pid: number, signal: 'SIGINT' | 'SIGQUIT'): void {
  try {
    if (process.platform !== 'win32') process.kill(pid, signal)
    // Node would end it outright there; PostgreSQL has signals of its own.
    else spawnSync(join(findBinaries().folder, 'bin', 'pg_ctl.exe'), ['kill', signal.slice(3), String(pid)])
  } catch {
    // it has just ended
  }
}

function endOrphans(data: string): void {
  if (process.platform !== 'linux') return
  for (const pid of readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number))
    if (isPostmaster(pid, data)) process.kill(pid, 'SIGKILL')
}
