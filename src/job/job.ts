import type { Backoff } from './backoff.ts'
import type { JobState } from './state.ts'

/** An instant in UTC to the microsecond, as text that sorts as time does: `2027-06-01T12:00:00.123456Z`. */
export type Instant = string

/** The error that a run ended with. `stack` and `message` are cut to their limits at a whole character. */
export interface JobError {
  name: string
  message: string
  stack?: string
  code?: string
  /** The same for errors of one cause: name and message without numbers, ids and quoted values. */
  fingerprint: string
  truncated?: boolean
}

export interface WorkerRef {
  id: string
  name: string
  host?: string
  pid?: number
}

export type AttemptOutcome = 'running' | 'completed' | 'failed' | 'snoozed' | 'dead' | 'released' | 'cancelled' | 'lost'

/** One run of a job. A snoozed, released or never started run keeps its token here and gives its number back. */
export interface Attempt {
  attempt: number
  token: number
  worker?: WorkerRef
  startedAt: Instant
  finishedAt?: Instant
  outcome: AttemptOutcome
  error?: JobError
}

/** A job as the store knows it. JSON values are the text that Postgres gave, so that no number loses a digit. */
export interface Job {
  id: string
  type: string
  queue: string
  state: JobState
  reason?: string
  payloadJson: string
  priority: number
  runAt: Instant
  createdAt: Instant
  startedAt?: Instant
  finishedAt?: Instant
  expiresAt?: Instant
  attempt: number
  maxAttempts: number
  lost: number
  timeoutMs?: number
  backoff?: Backoff
  tags: string[]
  idempotencyKey?: string
  progress?: { value: number; message?: string }
  resultJson?: string
  error?: JobError
  worker?: WorkerRef
  cancelRequestedAt?: Instant
  traceparent?: string
  keepForMs?: number
  /** Only where one job is read, not in lists. */
  attempts?: Attempt[]
}

/** What is asked for at an enqueue, checked and with its defaults filled in. */
export interface NewJob {
  /** A UUIDv7 given by the caller; without it the queue makes one. */
  id?: string
  type: string
  queue: string
  /** Checked JSON text (see `checkJson`). */
  payloadJson: string
  priority: number
  runAt?: Instant
  delayMs?: number
  expiresAt?: Instant
  expiresInMs?: number
  maxAttempts: number
  backoff?: Backoff
  timeoutMs?: number
  idempotencyKey?: string
  tags: string[]
  keepForMs?: number
  traceparent?: string
}
