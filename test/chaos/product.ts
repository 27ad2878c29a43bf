import { type ChildProcess, spawn } from 'node:child_process'
import { createWriteStream, existsSync, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Proxy } from './proxy.ts'
import { fileOf, readEvents, type Recorder } from './recorder.ts'

export interface Incarnation {
  /** Each start of a process has a name of its own, such as `worker-1.3`. */
  name: string
  child: ChildProcess
  ended: Promise<void>
  /** It has said that it works, or has ended. */
  up: Promise<void>
}

export interface MemberOptions {
  name: string
  what: 'worker' | 'server' | 'enqueuer'
  proxy: Proxy
  command(name: string): { args: string[]; env: { [name: string]: string } }
  folder: string
  logs: string
  history: string
  record: Recorder
  /** What it sends over its channel, if it has one. */
  onMessage?(message: unknown): void
}

const RESTART_MS = 250
/** A signal is there by then. */
const SIGNAL_MS = 10

/** One process of the setting: started again whenever it ends, until it is told to rest. */
export class Member {
  readonly name: string
  readonly what: MemberOptions['what']
  readonly proxy: Proxy
  /** Added to the environment from its next start on. */
  extraEnv: { [name: string]: string } = {}
  readonly #options: MemberOptions
  readonly #log: WriteStream
  #wanted = false
  #starts = 0
  #closed = false
  #now: Incarnation | undefined

  constructor(options: MemberOptions) {
    this.#options = options
    this.name = options.name
    this.what = options.what
    this.proxy = options.proxy
    this.#log = createWriteStream(join(options.logs, `${options.name}.log`), { flags: 'a' })
  }

  get pid(): number | undefined {
    return this.#now?.child.pid
  }

  start(): void {
    this.#wanted = true
    if (this.#now || this.#closed) return
    const name = `${this.name}.${++this.#starts}`
    const { args, env } = this.#options.command(name)
    const child = spawn(process.execPath, args, {
      cwd: this.#options.folder,
      env: { ...cleanEnv(), ...env, CHAOS_NAME: name, CHAOS_HISTORY: this.#options.history, ...this.extraEnv },
      stdio: ['ignore', 'pipe', 'pipe', ...(this.#options.onMessage ? (['ipc'] as const) : [])],
      // A group of its own: a terminal's Ctrl-C reaches the harness alone, which then ends everything.
      detached: true,
    })
    this.#write(`== ${name}, process ${child.pid}\n`)
    // What the product says on standard output, it says when it is ready.
    const said = new Promise<void>((resolve) => child.stdout!.once('data', () => resolve()))
    child.stdout!.on('data', (chunk: Buffer) => this.#write(chunk))
    createInterface(child.stderr!).on('line', (line) => {
      this.#write(`${line}\n`)
      this.#notice(line)
    })
    if (this.#options.onMessage) child.on('message', this.#options.onMessage)
    const ended = new Promise<void>((resolve) => {
      child.once('error', () => resolve())
      child.once('exit', (code, signal) => {
        this.#write(`== ${name} ended: ${signal ?? code}\n`)
        resolve()
      })
    })
    this.#now = { name, child, ended, up: Promise.race([said, ended]) }
    void ended.then(async () => {
      this.#now = undefined
      await sleep(RESTART_MS)
      if (this.#wanted) this.start()
    })
  }

  /** Resolves when it works, or after `withinMs`. */
  async up(withinMs = 15_000): Promise<void> {
    const timeout = new AbortController()
    await Promise.race([this.#now?.up, sleep(withinMs, undefined, { signal: timeout.signal }).catch(() => {})])
    timeout.abort()
  }

  /** Resolves when handlers run in it, or after `withinMs`. */
  async busy(withinMs = 10_000): Promise<void> {
    for (const until = performance.now() + withinMs; performance.now() < until; await sleep(20)) {
      if (this.#openRuns().length > 0) return
    }
  }

  /** Stops it by SIGSTOP in the middle of a run; after `withinMs` wherever it is. */
  async stopBusy(withinMs = 10_000): Promise<void> {
    for (const until = performance.now() + withinMs; ;) {
      await this.busy(Math.max(0, until - performance.now()))
      this.signal('SIGSTOP')
      await sleep(SIGNAL_MS)
      // The run that was seen may have ended before the signal was there.
      if (this.#openRuns().length > 0 || performance.now() > until) return
      this.signal('SIGCONT')
      await sleep(SIGNAL_MS)
    }
  }

  #openRuns(): string[] {
    const { name, child } = this.#now ?? {}
    return name ? openRuns(fileOf(this.#options.history, name), child!.pid!) : []
  }

  /** Ends it by SIGKILL and says so in the history, with the runs that died with it. */
  async kill({ restart }: { restart: boolean }): Promise<void> {
    this.#wanted = restart
    const killed = this.#now
    if (!killed) return
    killed.child.kill('SIGKILL')
    await killed.ended
    if (this.what === 'enqueuer') return
    this.#options.record({
      kind: 'killed',
      pid: killed.child.pid!,
      what: this.what,
      ...(this.what === 'worker' ? { worker: killed.name } : {}),
      busy: openRuns(fileOf(this.#options.history, killed.name), killed.child.pid!),
    })
  }

  /** Ends it at once and for good. */
  async close(): Promise<void> {
    this.#closed = true
    this.#now?.child.kill('SIGKILL')
    await this.#now?.ended
    await this.proxy.close()
    this.#log.end()
  }

  signal(signal: NodeJS.Signals): void {
    this.#now?.child.kill(signal)
  }

  /** Tells it to end and waits; after `withinMs` it is killed. */
  async stop(withinMs: number): Promise<void> {
    this.#wanted = false
    const last = this.#now
    if (!last) return
    last.child.kill('SIGTERM')
    const timer = setTimeout(() => last.child.kill('SIGKILL'), withinMs)
    await last.ended
    clearTimeout(timer)
  }

  /** The last words of a process come after its end. */
  #write(text: string | Buffer): void {
    if (!this.#log.writableEnded) this.#log.write(text)
  }

  /** The worker's log is the only place that says so. */
  #notice(line: string): void {
    if (!line.includes('outcome refused')) return
    try {
      const { job_id: job, token } = JSON.parse(line) as { job_id?: string; token?: number }
      if (job !== undefined && token !== undefined) this.#options.record({ kind: 'refused_outcome', job, token })
    } catch {
      // A line that was cut off by the end of its process.
    }
  }
}

/** Jobs whose runs had begun and not ended in this process. */
function openRuns(file: string, pid: number): string[] {
  if (!existsSync(file)) return []
  const open = new Map<string, string>()
  for (const event of readEvents(file)) {
    if (event.kind === 'run_started' && event.pid === pid) open.set(`${event.job} ${event.token}`, event.job)
    if (event.kind === 'run_ended') open.delete(`${event.job} ${event.token}`)
  }
  return [...open.values()]
}

/** Settings of whoever runs the harness would change what is tested. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(DATABASE_URL|FORGEQ_.*|CHAOS_.*|PG.*|NODE_OPTIONS|NODE_ENV|VITEST.*|npm_.*)$/.test(name),
    ),
  )
}
