// A process that runs jobs of handler modules, one at a time. Started by run-isolated.ts. Where a handler leaves something
// open (a timer, a socket) the process ends with its job: what that does later must not be another job's fault.
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { pino } from 'pino'
import { resultOfThrown, type RunResult } from '../../job/outcome.ts'
import { runHandler } from '../executor.ts'
import { loadModuleHandler } from '../load-handlers.ts'
import { Run } from '../run.ts'
import { type ChildOrder, type FromJob, type Marked, PULSE_MS, type ToChild } from './messages.ts'

let no = 0
/** What a job sends late is told from what the next one sends by its number. */
const send = (message: FromJob, then: () => void = () => {}, of = no) =>
  process.send?.({ forgeq: { no: of, ...message } } satisfies Marked, () => then())

/** What keeps the event loop busy, by kind. */
const opened = (): string[] => process.getActiveResourcesInfo()

/** Nothing is open that was not before; what was still closing then may be gone. */
function isClean(before: readonly string[]): boolean {
  const left = [...before]
  return opened().every((kind) => {
    const place = left.indexOf(kind)
    if (place >= 0) left.splice(place, 1)
    return place >= 0
  })
}

/** One that has grown so large does not run another job. */
const MOST_BYTES = 256 * 1024 * 1024

let run: Run | undefined
let openedBefore: string[] | undefined
/** An abort may come while the module is still loading. */
let aborted: Extract<ToChild, { kind: 'abort' }> | undefined

async function runOrder(order: ChildOrder): Promise<RunResult> {
  const { no: mineNo } = order
  const { file, lease, maxResultBytes, keeping, logLevel } = order
  const session = { ...order.session, lost: false }
  // Its worker keeps the time.
  const mine = new Run({ ...lease, session }, { timeoutMs: Infinity, abortGraceMs: Infinity, isolated: true })
  run = mine
  if (aborted) mine.abort(aborted.reason, aborted.message)
  try {
    const handler = await loadModuleHandler(file, lease.type)
    openedBefore = opened()
    return await runHandler(handler, mine, {
      middleware: [],
      maxResultBytes,
      keeping,
      completing: () => new Promise((resolve) => send({ kind: 'completing' }, resolve, mineNo)),
      log: pino({ level: logLevel }, { write: (line) => send({ kind: 'log', line }, undefined, mineNo) }),
      progress: (_lease, value, message) =>
        send({ kind: 'progress', value, ...(message !== undefined && { message }) }, undefined, mineNo),
    })
  } catch (error) {
    return resultOfThrown(error)
  }
}

process.on('message', (message: ToChild) => {
  if (message.kind === 'abort') {
    aborted = message
    run?.abort(message.reason, message.message)
    return
  }
  aborted = undefined
  no = message.order.no
  send({ kind: 'begun' })
  void runOrder(message.order).then((result) => {
    run = undefined
    // What it has only just closed may still be there for a moment.
    setImmediate(() => {
      const clean = openedBefore !== undefined && isClean(openedBefore) && process.memoryUsage.rss() < MOST_BYTES
      openedBefore = undefined
      send({ kind: 'result', result, clean }, () => clean || process.exit(0))
    })
  })
})
// Without its worker there is nobody to report to. The thread sees to that when this one is blocked.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'))
new Worker(new URL(`watchdog${extname(import.meta.url)}`, import.meta.url), { workerData: process.ppid }).unref()
setInterval(() => send({ kind: 'pulse' }), PULSE_MS).unref()
