import type { Logger } from 'pino'
import { toJobError } from '../job/job-error.ts'
import { decideOutcome, type Outcome, resultOfThrown, type RunResult } from '../job/outcome.ts'
import { DEFAULT_BACKOFF } from '../job/backoff.ts'
import { checkJson } from '../job/json.ts'
import { toJson } from '../job/value-json.ts'
import { type Handler, type HandlerSet, JsonResult, type Middleware, type RunningJob } from './handler.ts'
import type { Lease, Report } from './lease.ts'
import { instantFromMicros } from '../store/instants.ts'
import type { Run } from './run.ts'

export interface ExecutorContext {
  handlers: HandlerSet
  middleware: readonly Middleware[]
  maxResultBytes: number
  log: Logger
  progress(lease: Lease, value: number, message: string | undefined): void
}

/**
 * Runs one lease to its outcome: resolve the handler, check the payload, run, decide. Never rejects; whatever the
 * handler does ends in one report. `settled` resolves when the handler itself has ended, also one that was given up.
 */
export function execute(run: Run, context: ExecutorContext): { report: Promise<Report>; settled: Promise<unknown> } {
  const handler = context.handlers.handlers.get(run.lease.type)!
  const settled = runHandler(handler, run, context)
  const report = Promise.race([settled, run.givenUp]).then((result) => decide(run, handler, result ?? timedOut(run)))
  return { report, settled }
}

/** For a handler that goes on although its time and grace are over: its failure is recorded without it. */
const timedOut = (run: Run): RunResult => ({ kind: 'failed', error: toJobError(run.aborted) })

async function runHandler(handler: Handler, run: Run, context: ExecutorContext): Promise<RunResult> {
  try {
    const checked = await checkPayload(handler, run.lease)
    if ('problem' in checked) return checked.problem
    const job = runningJob(run, context)
    const value = await withMiddleware(context.middleware, job, () =>
      handler.run(checked.payload, job, { payloadJson: run.lease.payloadJson, backoff: backoffOf(run.lease, handler) }),
    )
    if (run.aborted?.reason === 'timeout') return { kind: 'failed', error: toJobError(run.aborted) }
    return { kind: 'completed', resultJson: resultJson(value, context.maxResultBytes) }
  } catch (error) {
    return resultOfThrown(run.aborted?.reason === 'timeout' ? run.aborted : error)
  }
}

const backoffOf = (lease: Lease, handler: Handler) => lease.backoff ?? handler.backoff ?? DEFAULT_BACKOFF

/** JSON text within its limit is stored as it stands; everything else is made storable. */
function resultJson(value: unknown, maxBytes: number): string {
  if (!(value instanceof JsonResult)) return toJson(value, { maxBytes }).json
  return checkJson(value.json, { maxBytes }).ok ? value.json : toJson(JSON.parse(value.json), { maxBytes }).json
}

type Checked = { payload: unknown } | { problem: RunResult }

async function checkPayload(handler: Handler, lease: Lease): Promise<Checked> {
  const payload: unknown = JSON.parse(lease.payloadJson)
  if (!handler.schema) return { payload }
  const checked = await handler.schema['~standard'].validate(payload)
  if (!checked.issues) return { payload: checked.value }
  const issues = checked.issues.map(({ message, path }) => {
    const at = (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.')
    return `payload${at && `.${at}`}: ${message}`
  })
  const error = Object.assign(new Error(issues.join('; ')), { name: 'InvalidPayload', code: 'invalid_payload' })
  delete (error as { stack?: string }).stack
  return { problem: { kind: 'failed', error: toJobError(error), nonRetryable: handler.invalidPayload === 'dead' } }
}

const withMiddleware = (middleware: readonly Middleware[], job: RunningJob, handler: () => unknown): unknown =>
  middleware.reduceRight<() => Promise<unknown>>(
    (next, one) => async () => one(job, next),
    async () => handler(),
  )()

function runningJob(run: Run, context: ExecutorContext): RunningJob {
  const { lease } = run
  return {
    id: lease.id,
    type: lease.type,
    queue: lease.queue,
    attempt: lease.attempt,
    maxAttempts: lease.maxAttempts,
    token: lease.token,
    tags: lease.tags,
    get createdAt() {
      return instantFromMicros(lease.createdAtUs)
    },
    ...(lease.traceparent === undefined ? {} : { traceparent: lease.traceparent }),
    get signal() {
      return run.signal
    },
    get log() {
      return context.log.child({ job_id: lease.id, job_type: lease.type, attempt: lease.attempt })
    },
    async progress(value, message) {
      if (typeof value !== 'number' || !Number.isFinite(value))
        throw new TypeError('progress: the value is a finite number')
      if (message !== undefined && typeof message !== 'string') throw new TypeError('progress: the message is a text')
      context.progress(lease, value, message)
    },
  }
}

/** Outcomes are values: a run that a shutdown ended goes back uncounted, everything else is as the job's rules say. */
function decide(run: Run, handler: Handler, result: RunResult): Report {
  const { lease } = run
  const released = run.aborted?.reason === 'shutdown' && result.kind === 'failed' && !run.stuck
  const outcome: Outcome = decideOutcome(released ? { kind: 'released' } : result, {
    attempt: lease.attempt,
    maxAttempts: lease.maxAttempts,
    lifeStart: lease.lifeStart,
    backoff: backoffOf(lease, handler),
  })
  const remembered = outcome.state === 'scheduled' ? 'snoozed' : outcome.state === 'pending' ? 'released' : 'failed'
  return { lease, outcome, remembered, ranMs: run.ranMs }
}
