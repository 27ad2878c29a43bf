import { type ChildProcess, fork } from 'node:child_process'
import { extname } from 'node:path'
import type { Logger } from 'pino'
import { toJobError } from '../../job/job-error.ts'
import type { RunResult } from '../../job/outcome.ts'
import type { Keeping } from '../../store/history.ts'
import type { Handler } from '../handler.ts'
import type { Lease } from '../lease.ts'
import { endOnExit, killGroup } from '../process-group.ts'
import type { Run } from '../run.ts'
import { messageOf, PULSE_MS, type ToChild } from './messages.ts'

export interface IsolationContext {
  maxResultBytes: number
  keeping: Keeping
  /** A child whose main thread has not answered for so long is given up. */
  stallLimitMs: number
  log: Logger
  progress(lease: Lease, value: number, message: string | undefined): void
}

/** A child without work is ended after this time. */
const IDLE_MS = 1_000

/** A child that could not be started is tried again after this time. */
const NOT_STARTED_MS = 5_000

/** A worker that shuts down waits 2 s for what it aborted: the child has to be gone by then for its job to be released. */
const KILL_AFTER_SHUTDOWN_MS = 1_500

/**
 * Runs a lease of a handler module in a child process that runs nothing beside it, in a process group of its own. What
 * the handler comes to is its result as in the worker itself; a child that ends without one makes the run `lost`: it takes
 * nobody down.
 * An aborted child that goes on is killed when its grace is over. Never rejects.
 */
export function runIsolated(handler: Handler, run: Run, context: IsolationContext): Promise<RunResult> {
  return new Promise((resolve) => {
    const used = doubted.has(run.lease.id) ? undefined : takeIdle()
    const child = used ?? start()
    const no = ++orders
    let begun = false
    const send = (message: ToChild) => void (child.connected && child.send(message, () => {}))
    let result: RunResult | undefined
    let missed = 0
    let problem: Error | undefined

    const stopAborting = abortWith(child, run, send)
    const watching = setInterval(() => {
      // Counted in looks, not in time: a worker that was blocked itself has not looked.
      if (++missed * PULSE_MS < context.stallLimitMs) return
      problem ??= Object.assign(new Error('its process did not answer any more'), { code: 'stalled' })
      killGroup(child, 'SIGKILL')
    }, PULSE_MS)

    const onMessage = (received: unknown) => {
      missed = 0
      const message = messageOf(received)
      if (message?.no !== no) return
      if (message.kind === 'begun') begun = true
      else if (message.kind === 'result') {
        result = message.result
        if (message.clean) settle(keepIdle)
      } else if (message.kind === 'progress') context.progress(run.lease, message.value, message.message)
      else if (message.kind === 'completing') run.completion = 'asked'
      else if (message.kind === 'log') passOn(context.log, message.line)
    }
    const onError = (error: Error) => {
      problem ??= error
      if (child.pid === undefined) context.log.error({ err: error }, 'no process could be started for a job')
    }
    const onClose = (code: number | null, signal: NodeJS.Signals | null) => {
      const mayBeAnothersFault = used && !run.aborted && !problem
      if (!result && mayBeAnothersFault) result = inUsedChild(run, begun, context.log)
      result ??= withoutResult(run, begun, problem, code, signal)
      settle(() => {})
    }
    const settle = (then: (child: ChildProcess) => void) => {
      if (result!.kind !== 'released') doubted.delete(run.lease.id)
      clearInterval(watching)
      stopAborting()
      child.off('message', onMessage).off('error', onError).off('close', onClose)
      then(child)
      resolve(result!)
    }
    child.on('message', onMessage).on('error', onError).on('close', onClose)
    const {
      session: { id, worker },
      ...lease
    } = run.lease
    const { maxResultBytes, keeping } = context
    const session = { id, worker }
    const order = { no, file: handler.source, lease, session, maxResultBytes, keeping, logLevel: context.log.level }
    send({ kind: 'run', order })
  })
}

/** Jobs whose last process ran another job before: theirs alone from now on. */
const doubted = new Set<string>()
const MOST_DOUBTED = 1_000
let orders = 0

/** A process that has run another job before may have ended by that one's fault: nobody pays, and it runs again in its own. */
function inUsedChild({ lease }: Run, begun: boolean, log: Logger): RunResult {
  if (!begun) return { kind: 'released' }
  if (doubted.size >= MOST_DOUBTED) doubted.clear()
  doubted.add(lease.id)
  log.warn(
    { job_id: lease.id },
    'a process ended that had run another job before; the job runs again in one of its own',
  )
  return { kind: 'released' }
}

/** Children that have run a job and left nothing open: the next one need not wait for a process to start. */
const idle = new Map<ChildProcess, NodeJS.Timeout>()

function keepIdle(child: ChildProcess): void {
  idle.set(
    child,
    setTimeout(() => killGroup(child, 'SIGKILL'), IDLE_MS),
  )
}

function takeIdle(): ChildProcess | undefined {
  for (const [child, timer] of idle) {
    clearTimeout(timer)
    idle.delete(child)
    if (child.connected) return child
  }
  return undefined
}

function start(): ChildProcess {
  // From the sources the child is TypeScript, from the build JavaScript.
  const file = new URL(`child${extname(import.meta.url)}`, import.meta.url)
  const child = fork(file, [], {
    detached: true, // a process group of its own, so that its children can be ended with it
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: process.execArgv.filter((option) => !option.startsWith('--inspect')),
  })
  const stopOutliving = endOnExit(child)
  child.on('error', () => {}) // whoever runs a job in it is told
  child.once('close', () => {
    clearTimeout(idle.get(child))
    idle.delete(child)
    stopOutliving()
    killGroup(child, 'SIGKILL') // what it left behind in its group
  })
  return child
}

function abortWith(child: ChildProcess, run: Run, send: (message: ToChild) => void): () => void {
  const { signal } = run
  let killer: NodeJS.Timeout | undefined
  const abort = () => {
    const { reason, message } = run.aborted!
    send({ kind: 'abort', reason, message })
    const afterMs = reason === 'shutdown' ? KILL_AFTER_SHUTDOWN_MS : run.abortGraceMs
    killer = setTimeout(() => killGroup(child, 'SIGKILL'), afterMs)
  }
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  return () => {
    clearTimeout(killer)
    signal.removeEventListener('abort', abort)
  }
}

function withoutResult(
  run: Run,
  begun: boolean,
  problem: (Error & { code?: string }) | undefined,
  code: number | null,
  signal: NodeJS.Signals | null,
): RunResult {
  if (run.aborted) return { kind: 'failed', error: toJobError(run.aborted) }
  // No file, no memory or no number left for a process, or one that ended before it took the order: nothing has run.
  if (!begun) return { kind: 'snoozed', delayMs: NOT_STARTED_MS }
  const how = code === null ? `was ended by ${signal}` : `ended with exit code ${code}`
  const error = Object.assign(new Error(problem ? problem.message : `the process of its handler ${how}`), {
    name: 'ProcessLost',
    code: problem?.code ?? (code === null ? String(signal) : `exit_${code}`),
  })
  delete error.stack
  return { kind: 'lost', error: toJobError(error) }
}

/** A line of the child's log becomes one of the worker's. */
function passOn(log: Logger, line: string): void {
  const {
    level,
    time: _time,
    pid: _pid,
    hostname: _hostname,
    msg,
    ...fields
  } = JSON.parse(line) as Record<string, unknown>
  const label = log.levels.labels[Number(level)] as 'info' | undefined
  if (label) log[label](fields, msg as string)
}
