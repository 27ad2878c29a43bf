import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, realpathSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { embeddedFailed } from './failures.ts'
import { findProgram } from './find-program.ts'

/**
 * A lock that the kernel holds and drops with the last process that holds it, `kill -9` included: there is no time-out
 * after which a second process might come in. `fd`, where there is one, may be handed to a child as one of its files: the
 * lock then lasts as long as the child, its children, or this process holds it.
 */
export interface KernelLock {
  readonly fd: number | undefined
  release(): void
}

/** Waits up to `waitMs` for the lock of the file `path` (made if missing, never removed); undefined when it was not to be had. */
export async function acquireLock(path: string, waitMs: number): Promise<KernelLock | undefined> {
  const deadline = performance.now() + waitMs
  for (;;) {
    const left = Math.max(0, deadline - performance.now())
    const lock = process.platform === 'darwin' ? await lockByOpen(path, left) : await lockByTool(path, left)
    if (!lock) return undefined
    // Whoever waited while the folder was removed and made again holds a file that nobody else will ever lock.
    if (lock.fd === undefined || isSameFile(lock.fd, path)) return lock
    lock.release()
  }
}

/** Whether locks here have an `fd` to hand to a child: not on Windows, nor on a Linux with neither flock nor perl. */
export const locksAreInheritable = (): boolean =>
  process.platform === 'darwin' || (process.platform !== 'win32' && lockTool() !== undefined)

// Node has no flock(2), but a lock belongs to the open file, which a child shares: it locks, exits, and we hold it.
async function lockByTool(path: string, waitMs: number): Promise<KernelLock | undefined> {
  const tool = process.platform === 'win32' ? undefined : lockTool()
  if (!tool) return lockByListening(path, waitMs)
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  const [command, ...args] = tool(Math.ceil(waitMs / 1000))
  const { code, output } = await run(command!, args, fd)
  if (code === 0) return { fd, release: once(() => closeSync(fd)) }
  closeSync(fd)
  if (code === 1) return undefined
  throw embeddedFailed(`the file ${path} cannot be locked: ${output.trim() || `${command} ended with ${code}`}`)
}

const PERL = `open F, "+<&=3" or exit 2; $SIG{ALRM} = sub { exit 1 }; $s = shift; alarm $s if $s; exit(flock(F, $s ? 2 : 6) ? 0 : $s ? 2 : 1)`

function lockTool(): ((seconds: number) => string[]) | undefined {
  const flock = findProgram('flock')
  if (flock) return (seconds) => (seconds === 0 ? [flock, '-x', '-n', '3'] : [flock, '-x', '-w', String(seconds), '3'])
  const perl = findProgram('perl')
  return perl ? (seconds) => [perl, '-e', PERL, String(seconds)] : undefined
}

function run(command: string, args: string[], fd: number): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    // A session of its own: the Ctrl-C of a terminal is for the command, which may still need the database to finish.
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe', fd], detached: true })
    let output = ''
    child.stderr!.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, output }))
  })
}

// macOS locks while opening.
const O_EXLOCK = 0x20

async function lockByOpen(path: string, waitMs: number): Promise<KernelLock | undefined> {
  return retry(waitMs, 'EAGAIN', () => {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NONBLOCK | O_EXLOCK, 0o600)
    return { fd, release: once(() => closeSync(fd)) }
  })
}

// The kernel lets one process listen at a name, and frees it with the process: a pipe on Windows, Linux' abstract sockets.
async function lockByListening(path: string, waitMs: number): Promise<KernelLock | undefined> {
  closeSync(openSync(path, 'a', 0o600))
  const name = `forgeq-${createHash('sha256').update(realpathSync(path)).digest('hex').slice(0, 32)}`
  const address = process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : `\0${name}`
  return retry(waitMs, 'EADDRINUSE', async () => {
    const server = createServer((socket) => socket.destroy())
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ path: address, exclusive: true }, resolve) // a cluster's workers would share it otherwise
    })
    server.unref()
    return { fd: undefined, release: once(() => void server.close()) }
  })
}

async function retry(
  waitMs: number,
  busy: string,
  attempt: () => KernelLock | Promise<KernelLock>,
): Promise<KernelLock | undefined> {
  const deadline = performance.now() + waitMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== busy) throw error
    }
    if (performance.now() >= deadline) return undefined
    await sleep(25)
  }
}

function isSameFile(fd: number, path: string): boolean {
  const held = fstatSync(fd)
  try {
    const named = statSync(path)
    return named.ino === held.ino && named.dev === held.dev
  } catch {
    return false
  }
}

function once(act: () => void): () => void {
  let done = false
  return () => {
    if (!done) {
      done = true
      act()
    }
  }
}
