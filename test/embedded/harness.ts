import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { afterAll, test, vi } from 'vitest'
import {
  openEmbedded,
  type EmbeddedConnection,
  type EmbeddedOptions,
  type EmbeddedPostgres,
} from '../../src/embedded/index.ts'

// Dozens of processes come and go here: on a busy machine that takes its time, and nothing below waits longer than it has to.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 })

export const isRoot = process.getuid?.() === 0

/** A test that needs root; elsewhere it is skipped under a name that says so, and in CI that is a failure. */
export function testAsRoot(name: string, run: () => Promise<void>): void {
  if (isRoot) test(name, run)
  else if (process.env['CI']) test(name, () => Promise.reject(new Error('this test needs root, and CI has to run it')))
  else test.skip(`NOT RUN, needs root: ${name}`, run)
}

const projects: string[] = []
const children: ChildProcess[] = []

/** A new folder that anybody may enter; gone after `cleanUp`. */
export function newProject(): string {
  const folder = mkdtempSync(join(tmpdir(), 'forgeq-embedded-'))
  chmodSync(folder, 0o755)
  projects.push(folder)
  return folder
}

let template: Promise<string> | undefined

/** A new project's data folder with a cluster that was made before: for tests that are not about the making. */
export async function madeDataDir(): Promise<string> {
  const dataDir = join(newProject(), '.forgeq')
  mkdirSync(dataDir)
  execFileSync('cp', ['-a', `${await (template ??= makeTemplate())}/.`, dataDir])
  return dataDir
}

afterAll(async () => {
  if (template) rmSync(dirname(await template), { recursive: true })
})

async function makeTemplate(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'forgeq-template-'))
  chmodSync(folder, 0o755)
  const dataDir = join(folder, '.forgeq')
  await (await openEmbedded({ dataDir, lingerMs: 0 })).release()
  await until(() => !processesOf(folder).length)
  return dataDir
}

/** Treats a folder as one of the projects: nothing works in it after `cleanUp`, and it is gone. */
export const alsoClean = (folder: string): void => void projects.push(folder)

const opened: EmbeddedPostgres[] = []
const undoings: (() => void)[] = []

/** `openEmbedded` in this process, released by `cleanUp` at the latest. */
export async function open(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const embedded = await openEmbedded(options)
  opened.push(embedded)
  return embedded
}

/** Runs when all processes are gone, before the folders are removed. */
export const atCleanUp = (undo: () => void): void => void undoings.push(undo)

/** Ends every process that works for a project of this file, and removes the projects. */
export async function cleanUp(): Promise<void> {
  await Promise.all(opened.splice(0).map((embedded) => embedded.release().catch(() => undefined)))
  for (const child of children.splice(0)) child.kill('SIGKILL')
  const folders = projects.splice(0)
  await until(() => {
    const left = folders.flatMap(processesOf)
    for (const { pid } of left) kill(pid, 'SIGKILL')
    return left.length === 0
  })
  for (const undo of undoings.splice(0)) undo()
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}

export interface Process {
  pid: number
  args: string
  cwd: string
}

/** Every process of the machine that can be looked at and lives. */
function allProcesses(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({
      pid: Number(name),
      args: look(() => readFileSync(`/proc/${name}/cmdline`, 'utf8')),
      cwd: look(() => readlinkSync(`/proc/${name}/cwd`)),
    }))
    .filter(({ args }) => args !== '')
}

/** All that names the folder or works in it: servers, their children, keepers, users. */
export const processesOf = (folder: string): Process[] =>
  allProcesses().filter(
    ({ args, cwd, pid }) => pid !== process.pid && (args.includes(folder) || cwd.startsWith(folder)),
  )

/**
 * The servers of the folder; there must never be two. A child looks like its server for a moment after the fork, so
 * those are left out whose parent is one, and those that have ended before they could be asked.
 */
export function serversOf(folder: string): number[] {
  const servers = processesOf(folder)
    .filter(({ args }) => basename(args.split('\0')[0]!) === 'postgres' && args.includes('\0-D\0'))
    .map(({ pid }) => ({ pid, parent: parentOf(pid) }))
  return servers
    .filter(({ parent }) => parent !== undefined && servers.every(({ pid }) => pid !== parent))
    .map(({ pid }) => pid)
}

function parentOf(pid: number): number | undefined {
  const stat = look(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  return stat ? Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) : undefined
}

export const keepersOf = (folder: string): number[] =>
  processesOf(folder)
    .filter(({ args }) => args.includes('keeper-main'))
    .map(({ pid }) => pid)

export const uidOf = (pid: number): number => statSync(`/proc/${pid}`).uid

export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // ended by itself
  }
}

/** Waits for a condition that some other process brings about. */
export async function until(condition: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${condition.toString()}`)
    await sleep(120) // a look at all processes costs ten milliseconds itself
  }
}

export async function query(connection: EmbeddedConnection, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client(connection)
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[]
  } finally {
    await client.end()
  }
}

export interface Said {
  word: string
  ms?: number
  created?: boolean
  connection?: EmbeddedConnection
  code?: string
  message?: string
  hint?: string
}

export interface User {
  pid: number
  /** The first line with this word, said already or to come. */
  said(word: string): Promise<Said>
  tell(line: 'ensure' | 'release'): void
  kill(signal: NodeJS.Signals): Promise<void>
  ended: Promise<void>
}

interface UserOptions {
  lingerMs?: number
  /** runs before node, as in `unshare -m sh -c '…; exec "$@"' sh` */
  wrapper?: string[]
  uid?: number
  gid?: number
}

/** A process of its own, in a session of its own, that uses the embedded PostgreSQL of `dataDir`. */
export function startUser(dataDir: string, { lingerMs = 1000, wrapper = [], uid, gid }: UserOptions = {}): User {
  const node = [process.execPath, '--import', 'jiti/register', fileURLToPath(new URL('user.ts', import.meta.url))]
  const [command, ...args] = [...wrapper, ...node, dataDir, String(lingerMs)] as unknown as [string, ...string[]]
  const as = uid === undefined || gid === undefined ? {} : { uid, gid }
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], detached: true, ...as })
  children.push(child)
  const lines: Said[] = []
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  let isOver = false
  void ended.then(() => (isOver = true))
  createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line) as Said))
  return {
    pid: child.pid!,
    async said(word) {
      await until(() => isOver || lines.some((line) => line.word === word || line.word === 'failed'))
      const found = lines.find((line) => line.word === word)
      if (!found) throw new Error(`not said: ${word}, but ${JSON.stringify(lines)}`)
      return found
    },
    tell: (line) => void child.stdin.write(`${line}\n`),
    async kill(signal) {
      child.kill(signal)
      await ended
    },
    ended,
  }
}

export const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8)

export const unfinishedClusters = (dataDir: string): string[] =>
  existsSync(dataDir) ? readdirSync(dataDir).filter((name) => name.startsWith('cluster.new-')) : []

function look(at: () => string): string {
  try {
    return at()
  } catch {
    return ''
  }
}
