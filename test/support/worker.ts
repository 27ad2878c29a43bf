import { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { afterEach } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import type { JobState } from '../../src/job/state.ts'
import { isFinal } from '../../src/job/state.ts'
import type { Job } from '../../src/job/job.ts'
import { keepingOf } from '../../src/queue/create.ts'
import type { ConnectionOptions, Database, DatabasePool } from '../../src/store/database.ts'
import { createListener, type Listener } from '../../src/store/listener.ts'
import { createLookout } from '../../src/store/lookout.ts'
import { defineJob, handlerOfDefinition, type JobOptions } from '../../src/worker/definition.ts'
import { type Handler, handlerSet, type HandlerSet, type RunningJob } from '../../src/worker/handler.ts'
import { type RunningWorker, startWorker, type WorkerOptions } from '../../src/worker/worker.ts'
import { jobOf } from './factory.ts'

export interface TestWorker extends RunningWorker {
  /** Parsed lines of its log. */
  readonly log: Record<string, unknown>[]
}

export interface WorkerFields extends Partial<Omit<WorkerOptions, 'handlers' | 'log'>> {
  db: DatabasePool
  connection: ConnectionOptions
  handlers: HandlerSet
  /** False: it hears no hints and finds work by looking alone. */
  listening?: boolean
  /** Not stopped after the test: the file does it. */
  /** Looks for jobs by itself every `pollMs`, whatever its process sees. */
  polling?: boolean
  kept?: boolean
}

const running = new Set<RunningWorker>()
const listeners = new Set<Listener>()

afterEach(async () => {
  await Promise.all([...running].map((worker) => worker.stop({ graceMs: 0 })))
  running.clear()
  await Promise.all([...listeners].map((listener) => listener.close()))
  listeners.clear()
})

/** What jobs of these tests carry. */
export interface TestPayload {
  n?: number
  hold?: boolean
  block?: boolean
}

/** A handler of one type from a plain function. */
export const handler = (
  type: string,
  run: (payload: TestPayload, job: RunningJob) => unknown,
  fields: Partial<Handler> = {},
): Handler => ({ type, source: 'test', run: (payload, job) => run(payload as TestPayload, job), ...fields })

export const defined = <Payload, Result>(options: JobOptions<Payload, Result>): Handler =>
  handlerOfDefinition(defineJob(options), 'test')

export const handlers = (...all: Handler[]): HandlerSet => handlerSet(all)

/** A worker at short times, stopped after the test. */
export async function testWorker({
  listening = true,
  polling = false,
  kept = false,
  ...fields
}: WorkerFields): Promise<TestWorker> {
  const log: Record<string, unknown>[] = []
  let subscribe: WorkerOptions['subscribe'] = () => () => {}
  if (listening) {
    const listener = createListener(fields.db)
    if (!kept) listeners.add(listener)
    subscribe = listener.subscribe
  }
  const worker = await startWorker({
    ...DEFAULTS,
    subscribe,
    ...(!polling && { lookout: createLookout(fields.db) }),
    middleware: [],
    name: 'test',
    version: 'test',
    heartbeatMs: 200,
    leaseMs: 15_000,
    pollMs: 100,
    keeping: keepingOf(DEFAULTS),
    exclusiveProcess: false,
    ...fields,
    log: pino({ level: 'debug' }, linesInto(log)),
  })
  if (!kept) running.add(worker)
  // A getter of the worker must stay one.
  return Object.defineProperties({ log }, Object.getOwnPropertyDescriptors(worker)) as TestWorker
}

/** A stream for pino that keeps what was logged. */
export const linesInto = (log: Record<string, unknown>[]): Writable =>
  new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString('utf8').split('\n')) {
        if (line) log.push(JSON.parse(line) as Record<string, unknown>)
      }
      done()
    },
  })

/** Looks every few milliseconds until something comes of it; fails when nothing has within the time. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  { withinMs = 10_000 }: { withinMs?: number } = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const found = await look()
    if (found) return found
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms in vain until ${what}`)
    await sleep(10)
  }
}

/** The job once it is in one of these states. */
export const jobIn = (
  db: Database,
  id: string,
  states: JobState | readonly JobState[],
  options?: { withinMs?: number },
): Promise<Job> =>
  until(
    `job ${id} is ${String(states)}`,
    async () => {
      const job = await jobOf(db, id)
      return [states].flat().includes(job.state) && job
    },
    options,
  ) as Promise<Job>

/** The job once it has ended. */
export const endOf = (db: Database, id: string, options?: { withinMs?: number }): Promise<Job> =>
  until(
    `job ${id} has ended`,
    async () => {
      const job = await jobOf(db, id)
      return isFinal(job.state) && job
    },
    options,
  ) as Promise<Job>

/** A promise with its ends outside: what a handler waits for, and the word that it has started. */
export function gate<T = void>(): { promise: Promise<T>; open: (value: T) => void; readonly opened: boolean } {
  let open: (value: T) => void = () => {}
  let opened = false
  const promise = new Promise<T>((resolve) => {
    open = (value) => {
      opened = true
      resolve(value)
    }
  })
  return {
    promise,
    open: (value) => open(value),
    get opened() {
      return opened
    },
  }
}

/** Rejects with the reason when the signal aborts. */
export const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error)
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
