import { closeSync, existsSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { fromOutput } from './failures.ts'
import type { KernelLock } from './lock.ts'
import type { Owner } from './owner.ts'
import { give, type Place } from './place.ts'
import { disownPostmasterFile, readPostmasterFile, type PostmasterFile } from './postmaster-file.ts'
import type { Stopped } from './postmaster.ts'
import type { Programs } from './programs.ts'
import { prepareSocket } from './socket-folder.ts'

export interface StartOptions {
  programs: Programs
  owner: Owner | undefined
  settings: Record<string, string>
}

const SETTINGS: Record<string, string> = {
  max_connections: '200',
  shared_buffers: '128MB',
  // A queue leaves two dead rows a job: in the usual minute a fast one leaves a million of them.
  autovacuum_naptime: '15s',
  // Errors of statements go to whoever sent them; here they would only let the file grow and show payloads.
  log_min_messages: 'log',
  log_checkpoints: 'off',
  log_line_prefix: '%m [%p] ',
}

const LOG_BYTES = 8 * 1024 * 1024

/** Starts the server and waits until it takes connections. @throws {ForgeQError} `embedded_failed` with what it said. */
export async function startPostmaster(place: Place, { lock }: Stopped, options: StartOptions): Promise<PostmasterFile> {
  try {
    const giveUpAt = performance.now() + 15_000
    for (;;) {
      const attempt = await tryStart(place, lock, options)
      if ('server' in attempt) return attempt.server
      const { ending, output } = attempt
      // Seen after kill -9: for a moment the dead server's shared memory still counts as in use.
      const isBusy = /lock file "[^"]*" already exists|shared memory block .* is still in use|is another post/i
      const mayPass = ending === 'SIGKILL' || isBusy.test(output)
      if (!mayPass || performance.now() > giveUpAt)
        throw fromOutput(`starting the embedded PostgreSQL (ended with ${ending})`, place.root, output)
      await sleep(200)
    }
  } finally {
    lock?.release()
  }
}

type Attempt = { server: PostmasterFile } | { ending: string; output: string }

async function tryStart(place: Place, lock: KernelLock | undefined, options: StartOptions): Promise<Attempt> {
  const { programs, owner, settings } = options
  disownPostmasterFile(place.data)
  const address = await prepareSocket(place, owner)
  const inForce = { ...SETTINGS, ...address, ...settings }
  const args = ['-D', place.data, ...Object.entries(inForce).flatMap(([name, value]) => ['-c', `${name}=${value}`])]
  if (existsSync(place.log) && statSync(place.log).size > LOG_BYTES) renameSync(place.log, `${place.log}.1`)
  const log = openSync(place.log, 'a+', 0o600)
  try {
    give(place.log, owner)
    const from = fstatSync(log).size
    // Detached: a session of its own, which no terminal's Ctrl-C or hang-up reaches. The fourth file is its lock.
    const child = programs.spawn('postgres', args, {
      stdio: ['ignore', log, log, ...(lock?.fd === undefined ? [] : [lock.fd])],
      detached: true,
    })
    const ended = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message))
      child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
    })
    child.unref()
    // As long as it lives: after a crash it first replays its log, and how long that takes is not ours to know.
    for (;;) {
      const ending = await Promise.race([ended, sleep(5)])
      if (ending) return { ending, output: readFrom(log, from) }
      const server = readPostmasterFile(place.data)
      if (server && server.pid === child.pid && server.status === 'ready') return { server }
    }
  } finally {
    closeSync(log)
  }
}

function readFrom(fd: number, position: number): string {
  const buffer = Buffer.alloc(64 * 1024)
  return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, position))
}
