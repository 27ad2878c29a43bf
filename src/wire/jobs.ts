import { z } from 'zod'
import { formatDuration } from '../job/duration.ts'
import type { Job, WorkerRef } from '../job/job.ts'
import { JOB_STATES } from '../job/state.ts'
import { cutText } from '../job/text.ts'
import { toSnake } from './snake.ts'

/** Lists show payloads and results up to this size whole. */
export const LIST_VALUE_BYTES = 4_096

const JobErrorView = z.strictObject({
  name: z.string(),
  message: z.string(),
  stack: z.string().optional(),
  code: z.string().optional(),
  fingerprint: z.string(),
  truncated: z.boolean().optional(),
})

const WorkerRefView = z.strictObject({ id: z.string(), name: z.string() })

const AttemptView = z.strictObject({
  attempt: z.int(),
  token: z.int(),
  worker: WorkerRefView.optional(),
  started_at: z.string(),
  finished_at: z.string().optional(),
  outcome: z.enum(['running', 'completed', 'failed', 'snoozed', 'dead', 'released', 'cancelled', 'lost']),
  error: JobErrorView.optional(),
})

/** A job as everybody sees it; an absent member means none. */
export const JobView = z.strictObject({
  id: z.string(),
  type: z.string(),
  queue: z.string(),
  state: z.enum(JOB_STATES),
  reason: z.string().optional(),
  /** Any JSON value; with `payload_truncated` the first 4 KiB of its text. */
  payload: z.unknown(),
  payload_truncated: z.literal(true).optional(),
  priority: z.int(),
  run_at: z.string(),
  created_at: z.string(),
  started_at: z.string().optional(),
  finished_at: z.string().optional(),
  expires_at: z.string().optional(),
  attempt: z.int(),
  max_attempts: z.int(),
  lost: z.int(),
  backoff: z.strictObject({ kind: z.string(), base: z.string(), cap: z.string(), jitter: z.number() }).optional(),
  timeout: z.string().optional(),
  keep_for: z.string().optional(),
  tags: z.array(z.string()),
  idempotency_key: z.string().optional(),
  progress: z.strictObject({ value: z.number(), message: z.string().optional() }).optional(),
  /** Any JSON value; with `result_truncated` the first 4 KiB of its text. */
  result: z.unknown().optional(),
  result_truncated: z.literal(true).optional(),
  error: JobErrorView.optional(),
  worker: WorkerRefView.optional(),
  cancel_requested_at: z.string().optional(),
  traceparent: z.string().optional(),
  attempts: z.array(AttemptView).optional(),
})
export type JobView = z.infer<typeof JobView>

/**
 * JSON text of a job. Payload and result go in as the text they are, so no number loses a digit. `list` cuts values
 * over 4 KiB: in their place stands a string with the first 4 KiB of their JSON text, and `payload_truncated: true`.
 */
export function jobJson(job: Job, values: 'whole' | 'list' = 'whole'): string {
  const head = JSON.stringify({ id: job.id, type: job.type, queue: job.queue, state: job.state, reason: job.reason })
  const middle = JSON.stringify({
    priority: job.priority,
    run_at: job.runAt,
    created_at: job.createdAt,
    started_at: job.startedAt,
    finished_at: job.finishedAt,
    expires_at: job.expiresAt,
    attempt: job.attempt,
    max_attempts: job.maxAttempts,
    lost: job.lost,
    backoff: job.backoff && backoffView(job.backoff),
    timeout: durationText(job.timeoutMs),
    keep_for: durationText(job.keepForMs),
    tags: job.tags,
    idempotency_key: job.idempotencyKey,
    progress: job.progress,
  })
  const tail = JSON.stringify({
    error: job.error,
    worker: workerRef(job.worker),
    cancel_requested_at: job.cancelRequestedAt,
    traceparent: job.traceparent,
    attempts: job.attempts?.map(({ worker, ...attempt }) => toSnake({ ...attempt, worker: workerRef(worker) })),
  })
  const payload = valueJson('payload', job.payloadJson, values)
  const result = job.resultJson === undefined ? '' : `,${valueJson('result', job.resultJson, values)}`
  return `${inside(head)},${payload},${inside(middle).slice(1)}${result}${tail === '{}' ? '' : `,${inside(tail).slice(1)}`}}`
}

/** JSON text of `{state, result | error, reason}`: what a job came to. */
export function resultJson(outcome: {
  state: Job['state']
  resultJson?: string
  error?: Job['error']
  reason?: string
}): string {
  const { state, reason, error } = outcome
  const rest = inside(JSON.stringify({ state, reason, error }))
  return outcome.resultJson === undefined ? `${rest}}` : `${rest},"result":${outcome.resultJson}}`
}

function valueJson(name: 'payload' | 'result', json: string, values: 'whole' | 'list'): string {
  if (values === 'whole') return `"${name}":${json}`
  const { text, cut } = cutText(json, LIST_VALUE_BYTES)
  return cut ? `"${name}":${JSON.stringify(text)},"${name}_truncated":true` : `"${name}":${json}`
}

/** The text of an object without its closing brace. */
const inside = (object: string): string => object.slice(0, -1)

const durationText = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : formatDuration(ms))

const backoffView = ({ kind, baseMs, capMs, jitter }: NonNullable<Job['backoff']>) => ({
  kind,
  base: formatDuration(baseMs),
  cap: formatDuration(capMs),
  jitter,
})

const workerRef = (worker: WorkerRef | undefined) => worker && { id: worker.id, name: worker.name }
