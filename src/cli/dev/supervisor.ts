import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Config } from '../../config.ts'
import type { Logger } from '../../log.ts'

export interface Supervisor {
  /** The database is there: the worker may open it. */
  open(): void
  /** The types of the first worker that is up. */
  readonly ready: Promise<string[]>
  /** A new worker with the code of now; the old one finishes what it runs beside it. */
  restart(): void
  /** Ends every worker: SIGTERM, and SIGKILL when the grace period and 4 s are over. Safe twice. */
  stop(graceMs: number): Promise<void>
}

/** What the worker's process tells: it is up, with these types. */
export interface WorkerReady {
  types: string[]
}

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 10_000
const CALM_MS = 10_000

const ENTRY = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? '../main.ts' : '../main.js', import.meta.url))

/** Keeps one worker process: starts it at once, again when it dies (after a growing pause), anew when handlers change. */
export function createSupervisor({ config, log }: { config: Config; log: Logger }): Supervisor {
  const children = new Set<ChildProcess>()
  let current: ChildProcess | undefined
  let opened = false
  let stopped = false
  let pauseMs = FIRST_PAUSE_MS
  let retry: NodeJS.Timeout | undefined
  let tellReady: (types: string[]) => void
  const ready = new Promise<string[]>((resolve) => (tellReady = resolve))

  /** One that has just ended is started again, and told then. */
  function tell(child: ChildProcess): void {
    if (child.connected) child.send(config, () => {})
  }

  function start(): void {
    const startedAt = performance.now()
    // By message, not by argument: anybody can read the arguments of a process, and the URL holds a password.
    const child = fork(ENTRY, ['dev-worker'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    current = child
    children.add(child)
    child.on('message', ({ types }: WorkerReady) => tellReady(types))
    child.on('error', (err) => log.error({ err }, 'the worker process could not be started'))
    child.on('exit', (code, signal) => {
      children.delete(child)
      if (child !== current || stopped) return
      if (performance.now() - startedAt > CALM_MS) pauseMs = FIRST_PAUSE_MS
      log.error({ code, signal, again_in_ms: pauseMs }, 'the worker process ended; it is started again')
      retry = setTimeout(start, pauseMs)
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    })
    if (opened) tell(child)
  }

  start()
  return {
    ready,
    open: () => {
      opened = true
      if (current) tell(current)
    },
    restart: () => {
      if (stopped) return
      log.info('handlers have changed: the worker is started anew')
      clearTimeout(retry)
      pauseMs = FIRST_PAUSE_MS
      const old = current
      start()
      old?.kill('SIGTERM')
    },
    stop: async (graceMs) => {
      stopped = true
      clearTimeout(retry)
      await Promise.all([...children].map((child) => end(child, graceMs)))
    },
  }
}

async function end(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs + 4_000)
  await exited
  clearTimeout(timer)
}
