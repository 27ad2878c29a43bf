import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Logger } from 'pino'
import { toJobError } from '../job/job-error.ts'
import { decideOutcome, type Outcome, resultOfThrown, type RunResult } from '../job/outcome.ts'
import { DEFAULT_BACKOFF } from '../job/backoff.ts'
import { payloadPath } from '../job/schema-path.ts'
import type { CallerTransaction } from '../store/caller-transaction.ts'
import type { Keeping } from '../store/history.ts'
import { completeRun, NOT_COMMITTED, notCommitted } from './complete.ts'
import type { Handler, HandlerSet, Middleware, RunningJob } from './handler.ts'
import type { Lease, Report } from './lease.ts'
import { resultJson } from './result-json.ts'
import { instantFromMicros } from '../store/instants.ts'
import { runIsolated } from './isolated/run-isolated.ts'
import type { Run } from './run.ts'
import type { Storm } from './storm.ts'

/** What a handler needs around it. */
export interface RunContext {
  middleware: readonly Middleware[]
  maxResultBytes: number
  log: Logger
  keeping: Keeping
  progress(lease: Lease, value: number, message: string | undefined): void
  /** Told, and awaited, before the handler's own transaction holds the job. */
  completing?(): Promise<void>
}

export interface ExecutorContext extends RunContext {
  handlers: HandlerSet
  /** A child whose main thread has not answered for so long is given up. */
  stallLimitMs: number
  storm: Storm
}

/** The same for all runs of a pool. */
export interface RunEvents {
  onReport(run: Run, report: Report): void
  /** The handler itself has ended. */
  onSettled(run: Run): void
}

/**
 * Runs one lease to its outcome: resolve the handler, check the payload, run, decide. Never throws; whatever the handler
 * does ends in one report. `onSettled` is called when the handler itself has ended, also one that was given up.
 */
export function execute(run: Run, context: ExecutorContext, { onReport, onSettled }: RunEvents): void {
  const handler = context.handlers.handlers.get(run.lease.type)!
  const ended = run.isolated ? runIsolated(handler, run, context) : runHandler(handler, run, context)
  void ended.then((result) => {
    if (!run.stuck) onReport(run, decide(run, handler, result, context))
    onSettled(run)
  })
}

/** For a handler that goes on although its time and grace are over: its failure is recorded without it. */
export function reportOfGivenUp(run: Run, context: ExecutorContext): Report {
  const handler = context.handlers.handlers.get(run.lease.type)!
  return decide(run, handler, { kind: 'failed', error: toJobError(run.aborted) }, context)
}

/** Checks the payload and runs the handler, here and now. Never rejects. One async function: each costs a run's hundredth. */
export async function runHandler(handler: Handler, run: Run, context: RunContext): Promise<RunResult> {
  const { lease } = run
  let result: RunResult
  try {
    const payload: unknown = JSON.parse(lease.payloadJson)
    const checked = handler.schema && (await checkPayload(handler, handler.schema, payload))
    if (checked && 'problem' in checked) result = checked.problem
    else {
      const value = await start(handler, run, checked ? checked.payload : payload, context)
      if (run.aborted?.reason === 'timeout') throw run.aborted
      result = { kind: 'completed', resultJson: resultJson(value, context.maxResultBytes) }
    }
  } catch (error) {
    result = resultOfThrown(run.aborted?.reason === 'timeout' ? run.aborted : error)
  }
  // A handler that did not wait for its own completion: now that it has ended the answer still decides.
  if (run.completion === 'asked') await run.answered
  run.over = true
  return run.completion && result.kind === 'completed' ? notCommitted(run.completion) : result
}

function start(handler: Handler, run: Run, payload: unknown, context: RunContext): unknown {
  const { lease } = run
  const job = new ActiveJob(run, context)
  const about = { payloadJson: lease.payloadJson, backoff: backoffOf(lease, handler) }
  if (context.middleware.length === 0) return handler.run(payload, job, about)
  return withMiddleware(context.middleware, job, () => handler.run(payload, job, about))
}

const backoffOf = (lease: Lease, handler: Handler) => lease.backoff ?? handler.backoff ?? DEFAULT_BACKOFF

type Checked = { payload: unknown } | { problem: RunResult }

async function checkPayload(handler: Handler, schema: StandardSchemaV1, payload: unknown): Promise<Checked> {
  const checked = await schema['~standard'].validate(payload)
  if (!checked.issues) return { payload: checked.value }
  const issues = checked.issues.map(({ message, path }) => `${payloadPath(path)}: ${message}`)
  const error = Object.assign(new Error(issues.join('; ')), { name: 'InvalidPayload', code: 'invalid_payload' })
  delete (error as { stack?: string }).stack
  return { problem: { kind: 'failed', error: toJobError(error), nonRetryable: handler.invalidPayload === 'dead' } }
}

const withMiddleware = (middleware: readonly Middleware[], job: RunningJob, handler: () => unknown): unknown =>
  middleware.reduceRight<() => Promise<unknown>>(
    (next, one) => async () => one(job, next),
    async () => handler(),
  )()

/** A class, so that what most handlers never ask for costs nothing: one of these is made for each run. */
class ActiveJob implements RunningJob {
  readonly id: string
  readonly type: string
  readonly queue: string
  readonly attempt: number
  readonly maxAttempts: number
  readonly token: number
  readonly tags: readonly string[]
  readonly traceparent?: string
  readonly #run: Run
  readonly #context: RunContext
  #log: Logger | undefined

  constructor(run: Run, context: RunContext) {
    const { lease } = run
    this.id = lease.id
    this.type = lease.type
    this.queue = lease.queue
    this.attempt = lease.attempt
    this.maxAttempts = lease.maxAttempts
    this.token = lease.token
    this.tags = lease.tags
    if (lease.traceparent !== undefined) this.traceparent = lease.traceparent
    this.#run = run
    this.#context = context
  }

  get createdAt() {
    return instantFromMicros(this.#run.lease.createdAtUs)
  }

  get signal() {
    return this.#run.signal
  }

  get log() {
    return (this.#log ??= this.#context.log.child({ job_id: this.id, job_type: this.type, attempt: this.attempt }))
  }

  async progress(value: number, message?: string) {
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw new TypeError('progress: the value is a finite number')
    if (message !== undefined && typeof message !== 'string') throw new TypeError('progress: the message is a text')
    this.#context.progress(this.#run.lease, value, message)
  }

  complete(tx: CallerTransaction, result?: unknown) {
    return completeRun(this.#run, this.#context, tx, result)
  }
}

/** Outcomes are values: a run that a shutdown ended goes back uncounted, everything else is as the job's rules say. */
function decide(run: Run, handler: Handler, result: RunResult, { storm }: ExecutorContext): Report {
  if (result.kind === 'completed') return run.report({ state: 'completed', resultJson: result.resultJson }, 'failed')
  const { lease } = run
  if (result.kind === 'failed' && result.error.code !== NOT_COMMITTED) storm.failed()
  const released = run.aborted?.reason === 'shutdown' && result.kind === 'failed' && !run.stuck
  const outcome: Outcome = decideOutcome(released ? { kind: 'released' } : result, {
    attempt: lease.attempt,
    maxAttempts: lease.maxAttempts,
    lifeStart: lease.lifeStart,
    lost: lease.lost,
    backoff: backoffOf(lease, handler),
    widen: storm.widen(),
  })
  return run.report(outcome, rememberedAs(result, outcome))
}

function rememberedAs(result: RunResult, outcome: Outcome): NonNullable<Report['remembered']> {
  if (result.kind === 'lost') return 'lost'
  return outcome.state === 'scheduled' ? 'snoozed' : outcome.state === 'pending' ? 'released' : 'failed'
}
