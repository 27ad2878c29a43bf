import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { lives } from './marked.ts'
import type { Output } from './scenario.ts'

export interface Ended {
  /** An exit code, the signal that ended it, or `unknown` for one that was killed while nobody waited for it. */
  how: number | NodeJS.Signals | 'unknown'
  at: number
}

export interface Launched {
  readonly pid: number
  readonly out: () => string
  readonly err: () => string
  readonly ended: Promise<Ended>
  send(signal: NodeJS.Signals, toGroup?: boolean): void
  /** Nobody reads what it prints any more. */
  stopReading(): void
  /** Kills its parent, where it has one that is not this process. */
  killParent(): void
}

export interface LaunchOptions {
  /** Of the product: `dist/cli/main.js`. */
  main: string
  folder: string
  mark: string
  databaseUrl: string
  env?: { [name: string]: string }
  output?: Output
  /** A shell is its parent. */
  orphanable?: boolean
}

/** Starts a command of the product in a process group of its own. */
export async function launch(args: readonly string[], options: LaunchOptions): Promise<Launched> {
  const { main, folder, mark, databaseUrl, env = {}, output = 'read', orphanable = false } = options
  const hook = pathToFileURL(join(folder, 'exit-hook.mjs')).href
  const node = [process.execPath, '--import', hook, main, ...args]
  const [file, ...rest] = orphanable ? ['sh', '-c', '"$@" & echo $!; wait', 'sh', ...node] : plumbed(node, output)
  const child = spawn(file!, rest, {
    cwd: folder,
    env: {
      ...cleanEnv(),
      DATABASE_URL: databaseUrl,
      LIFECYCLE_MARK: mark,
      LIFECYCLE_EXITS: join(folder, 'exits'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => (texts[name] += text))
  const own = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve({ how: code ?? signal!, at: Date.now() }))
  })
  own.catch(() => {})
  const pid = orphanable ? await firstNumber(child, () => texts.stdout) : child.pid!
  return {
    pid,
    out: () => texts.stdout,
    err: () => texts.stderr,
    ended: orphanable ? endOf(pid, join(folder, 'exits', String(pid))) : own,
    send: (signal, toGroup = false) => kill(toGroup ? -child.pid! : pid, signal),
    stopReading() {
      child.stdout.destroy()
      child.stderr.destroy()
    },
    killParent: () => orphanable && kill(child.pid!, 'SIGKILL'),
  }
}

function plumbed(node: string[], output: Output): string[] {
  if (typeof output !== 'string') {
    const both = output.with === 'both' ? ' 2>&1' : ''
    return ['bash', '-c', `exec "$@" > >(exec head -n ${output.head})${both}`, 'bash', ...node]
  }
  if (output === 'stdout closed') return ['sh', '-c', 'exec "$@" >&-', 'sh', ...node]
  if (output === 'both closed') return ['sh', '-c', 'exec "$@" >&- 2>&-', 'sh', ...node]
  return node
}

async function firstNumber(child: ChildProcess, text: () => string): Promise<number> {
  for (const giveUpAt = Date.now() + 10_000; Date.now() < giveUpAt; await sleep(5)) {
    if (text().includes('\n')) return Number(text().split('\n')[0])
    if (child.exitCode !== null) break
  }
  throw new Error(`no process was started: ${text()}`)
}

/** The end of a process that is nobody's child here. */
async function endOf(pid: number, exits: string): Promise<Ended> {
  while (lives(pid)) await sleep(10)
  const at = Date.now()
  return { how: existsSync(exits) ? Number(readFileSync(exits, 'utf8')) : 'unknown', at }
}

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // ended by itself
  }
}

/** Settings of whoever runs this would change what is tested. */
function cleanEnv(): { [name: string]: string | undefined } {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(DATABASE_URL|FORGEQ_.*|LIFECYCLE_.*|PG.*|NODE_OPTIONS|NODE_ENV|VITEST.*|TEST|npm_.*)$/.test(name),
    ),
  )
}
