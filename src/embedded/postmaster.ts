import { spawnSync } from 'node:child_process'
import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync, renameSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { findBinaries } from './binaries.ts'
import { embeddedFailed, fromOutput } from './failures.ts'
import { acquireLock, locksAreInheritable, type KernelLock } from './lock.ts'
import type { Owner } from './owner.ts'
import { give, type Place } from './place.ts'
import { disownPostmasterFile, isPostmaster, readPostmasterFile, type PostmasterFile } from './postmaster-file.ts'
import type { Programs } from './programs.ts'
import { prepareSocket } from './socket-folder.ts'

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

export interface StartOptions {
  programs: Programs
  owner: Owner | undefined
  settings: Record<string, string>
}

/** Starts the server and waits until it takes connections. @throws {ForgeQError} `embedded_failed` with what it said. */
export async function startPostmaster(place: Place, { lock }: Stopped, options: StartOptions): Promise<PostmasterFile> {
  try {
    const giveUpAt = performance.now() + 15_000
    for (;;) {
      const outcome = await tryStart(place, lock, options)
      if (typeof outcome !== 'string') return outcome
      // Seen after kill -9: for a moment the dead server's shared memory still counts as in use.
      const mayPass =
        /lock file "[^"]*" already exists|shared memory block .* is still in use|is another (postmaster|postgres)/i
      if (!mayPass.test(outcome) || performance.now() > giveUpAt)
        throw fromOutput('starting the embedded PostgreSQL', place.root, outcome)
      await sleep(200)
    }
  } finally {
    lock?.release()
  }
}

async function tryStart(
  place: Place,
  lock: KernelLock | undefined,
  options: StartOptions,
): Promise<PostmasterFile | string> {
  const { programs, owner, settings } = options
  disownPostmasterFile(place.data)
  const address = await prepareSocket(place, owner)
  const inForce = { ...SETTINGS, ...address, ...settings }
  const args = ['-D', place.data, ...Object.entries(inForce).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
  if (existsSync(place.log) && statSync(place.log).size > 8 * 1024 * 1024) renameSync(place.log, `${place.log}.1`)
  const log = openSync(place.log, 'a+', 0o600)
  try {
    give(place.log, owner)
    const from = fstatSync(log).size
    // Detached: a session of its own, which no terminal's Ctrl-C or hang-up reaches. The fourth file is its lock.
    const child = programs.spawn('postgres', args, {
      stdio: ['ignore', log, log, ...(lock?.fd === undefined ? [] : [lock.fd])],
      detached: true,
    })
    const ended = new Promise<boolean>((resolve) => {
      child.once('error', () => resolve(true))
      child.once('exit', () => resolve(true))
    })
    child.unref()
    // As long as it lives: after a crash it first replays its log, and how long that takes is not ours to know.
    while (!(await Promise.race([ended, sleep(5)]))) {
      const file = readPostmasterFile(place.data)
      if (file?.pid === child.pid && file?.status === 'ready') return file
    }
    return readFrom(log, from)
  } finally {
    closeSync(log)
  }
}

const SETTINGS: Record<string, string> = {
  max_connections: '200',
  shared_buffers: '128MB',
  // Errors of statements go to whoever sent them; here they would only let the file grow and show payloads.
  log_min_messages: 'log',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] ',
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
  if (process.platform !== 'win32') return void process.kill(pid, signal)
  // Node would end it outright there; PostgreSQL has signals of its own.
  spawnSync(join(findBinaries().folder, 'bin', 'pg_ctl.exe'), ['kill', signal.slice(3), String(pid)])
}

function endOrphans(data: string): void {
  if (process.platform !== 'linux') return
  for (const pid of readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number))
    if (isPostmaster(pid, data)) process.kill(pid, 'SIGKILL')
}

function readFrom(fd: number, position: number): string {
  const buffer = Buffer.alloc(64 * 1024)
  return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, position))
}
