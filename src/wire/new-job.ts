import type { z } from 'zod'
import type { NewJob } from '../job/job.ts'
import { checkJson, joinPath } from '../job/json.ts'
import type { EnqueueFields } from './enqueue-fields.ts'
import { failure, type Failure } from './failure.ts'

export const DEFAULT_QUEUE = 'default'
export const DEFAULT_MAX_ATTEMPTS = 25

export interface EnqueueLimits {
  maxPayloadBytes: number
}

/** What holds for a body that does not say it itself: values of the request's headers. */
export interface EnqueueDefaults {
  idempotencyKey?: string | undefined
  traceparent?: string | undefined
}

export type ParsedEnqueue = { job: NewJob; code?: never; problems?: never } | Failure

/** The fields of a job as the wire names them, checked. */
export type JobFields = z.output<typeof EnqueueFields>

/** The job that checked fields and a checked payload come to, with the defaults of what they do not say. */
export function newJob(fields: JobFields, payloadJson: string, defaults: EnqueueDefaults): NewJob {
  const job: NewJob = {
    type: fields.type,
    queue: fields.queue ?? DEFAULT_QUEUE,
    payloadJson,
    priority: fields.priority ?? 0,
    maxAttempts: fields.max_attempts ?? DEFAULT_MAX_ATTEMPTS,
    tags: fields.tags ?? [],
  }
  if (fields.id !== undefined) job.id = fields.id
  if (fields.run_at !== undefined) job.runAt = fields.run_at
  if (fields.delay !== undefined) job.delayMs = fields.delay
  if (fields.expires_at !== undefined) job.expiresAt = fields.expires_at
  if (fields.expires_in !== undefined) job.expiresInMs = fields.expires_in
  if (fields.backoff !== undefined) job.backoff = fields.backoff
  if (fields.timeout !== undefined) job.timeoutMs = fields.timeout
  if (fields.keep_for !== undefined) job.keepForMs = fields.keep_for
  const key = fields.idempotency_key ?? defaults.idempotencyKey
  if (key !== undefined) job.idempotencyKey = key
  const traceparent = fields.traceparent ?? defaults.traceparent
  if (traceparent !== undefined) job.traceparent = traceparent
  return job
}

/** Why a payload is none; undefined when it is one. */
export function checkPayload(payloadJson: string | undefined, { maxPayloadBytes }: EnqueueLimits): Failure | undefined {
  if (payloadJson === undefined) return undefined
  const check = checkJson(payloadJson, { maxBytes: maxPayloadBytes })
  if (check.ok) return undefined
  const code = { syntax: 'invalid_json', value: 'invalid_job', size: 'payload_too_large' } as const
  return failure(code[check.reason], joinPath('payload', check.path), check.message)
}
