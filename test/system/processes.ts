import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cleanUp, kill, newProject } from '../embedded/harness.ts'

export { kill, until } from '../embedded/harness.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MAIN = join(ROOT, 'dist', 'cli', 'main.js')
const WAIT_MS = 30_000

export interface Running {
  readonly pid: number
  readonly out: () => string
  readonly err: () => string
  /** Everything that was printed, on both. */
  readonly text: () => string
  /** Resolves when the text is printed, with it; fails when the process ends first or takes longer than `withinMs`. */
  printed(wanted: string | RegExp, withinMs?: number): Promise<string>
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>
  kill(signal: NodeJS.Signals): void
}

export interface StartOptions {
  env?: Record<string, string>
  /** What it reads on standard input; without, there is none. */
  stdin?: string | Uint8Array
}

const running = new Set<ChildProcess>()
// Also when the test runner itself is told to end.
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Ends everything that the tests of this file have started, and removes their folders: for `afterEach`. */
export async function leaveNothing(): Promise<void> {
  for (const child of running) child.kill('SIGKILL')
  await cleanUp()
}

/** A new folder with these files; executable where they begin with `#!`. */
export function project(files: Record<string, string> = {}): string {
  const folder = newProject()
  for (const [name, text] of Object.entries(files)) write(folder, name, text)
  return folder
}

export function write(folder: string, name: string, text: string): void {
  const path = join(folder, name)
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text, { mode: text.startsWith('#!') ? 0o755 : 0o644 })
}

/** What a test runner sets in its environment would change what is tested. */
function cleanEnv(env: Record<string, string> = {}): Record<string, string> {
  const inherited = Object.entries(process.env).filter(
    ([name]) =>
      !/^(DATABASE_URL|FORGEQ_.*|NODE_OPTIONS|NODE_ENV|VITEST.*|TEST|NO_COLOR|FORCE_COLOR|npm_.*)$/.test(name),
  ) as [string, string][]
  return { ...Object.fromEntries(inherited), ...env }
}

/** Starts `forgeq` in a folder. */
export const forgeq = (folder: string, args: readonly string[], options: StartOptions = {}): Running =>
  start(folder, process.execPath, [MAIN, ...args], options)

export const forgeqCommand = `'${process.execPath}' '${MAIN}'`

/** Starts any command in a folder. */
export function start(folder: string, command: string, args: readonly string[], options: StartOptions = {}): Running {
  const { env, stdin } = options
  const child = spawn(command, args, {
    cwd: folder,
    env: cleanEnv(env),
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  })
  running.add(child)
  child.stdin?.on('error', () => {}).end(stdin)
  const texts = { out: '', err: '', all: '' }
  const lookers = new Set<() => void>()
  for (const [name, stream] of [
    ['out', child.stdout!],
    ['err', child.stderr!],
  ] as const) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text
      texts.all += text
      for (const look of lookers) look()
    })
  }
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      running.delete(child)
      resolve(code ?? signal!)
    })
  })
  ended.catch(() => {})
  return {
    pid: child.pid!,
    out: () => texts.out,
    err: () => texts.err,
    text: () => texts.all,
    ended,
    kill: (signal) => void child.kill(signal),
    printed(wanted, withinMs = WAIT_MS) {
      return new Promise<string>((resolve, reject) => {
        const told = `${[command, ...args].join(' ')} has not printed ${wanted}`
        const look = () => {
          const found =
            typeof wanted === 'string' ? (texts.all.includes(wanted) ? wanted : undefined) : wanted.exec(texts.all)?.[0]
          if (found !== undefined) finish(() => resolve(found))
        }
        const timer = setTimeout(
          () => finish(() => reject(new Error(`${told} within ${withinMs} ms:\n${texts.all}`))),
          withinMs,
        )
        const finish = (settle: () => void) => {
          clearTimeout(timer)
          lookers.delete(look)
          settle()
        }
        lookers.add(look)
        void ended.then((how) => finish(() => reject(new Error(`${told} and ended (${how}):\n${texts.all}`))), reject)
        look()
      })
    },
  }
}

export interface Answer {
  code: number | NodeJS.Signals
  out: string
  err: string
}

/** Runs one `forgeq` command to its end, whatever that is. */
export async function ran(folder: string, args: readonly string[], options: StartOptions = {}): Promise<Answer> {
  const command = forgeq(folder, args, options)
  const code = await command.ended
  return { code, out: command.out(), err: command.err() }
}

/** Runs one command that has to succeed; gives what it printed on standard output. */
export async function answer(folder: string, args: readonly string[], options: StartOptions = {}): Promise<string> {
  const { code, out, err } = await ran(folder, args, options)
  if (code !== 0) throw new Error(`forgeq ${args.join(' ')} ended with ${code}:\n${out}${err}`)
  return out
}

export const answerJson = async <T>(folder: string, args: readonly string[], options: StartOptions = {}): Promise<T> =>
  JSON.parse(await answer(folder, [...args, '--json'], options)) as T

/** Starts a server that takes a free port; gives its address. */
export async function server(folder: string, args: readonly string[] = [], options: StartOptions = {}) {
  const process = forgeq(folder, ['server', ...(args.includes('--port') ? [] : ['--port', '0']), ...args], options)
  const url = (await process.printed(/http:\/\/\S+/)).trim()
  return { ...process, url }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer()
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise((resolve) => probe.close(resolve))
  return port
}

/** The lines that handlers have appended to a file, parsed; none while there is no file, or for a line half written. */
export function linesOf<T>(path: string): T[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return []
  }
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as T)
}

export const stop = (pid: number): void => kill(pid, 'SIGKILL')
