import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Logger } from 'pino'
import type { Backoff } from '../job/backoff.ts'
import type { Instant } from '../job/job.ts'
import type { CallerTransaction } from '../store/caller-transaction.ts'

/** Why a run is asked to end. */
export type AbortReason = 'cancelled' | 'timeout' | 'lease_lost' | 'shutdown'

/** What a handler is given beside its payload. */
export interface RunningJob {
  readonly id: string
  readonly type: string
  readonly queue: string
  /** 1 for the first run. */
  readonly attempt: number
  readonly maxAttempts: number
  /** Grows with each lease of this job: a fence for writes of the handler's own. */
  readonly token: number
  readonly tags: readonly string[]
  readonly createdAt: Instant
  readonly traceparent?: string
  /** Aborts with an `AbortError` whose `reason` says why. */
  readonly signal: AbortSignal
  /** Lines go to the worker's log with the job's id. */
  readonly log: Logger
  /** Shown with the job: 0 to 1 or any other number, and a word about it. Written at most once a second. */
  progress(value: number, message?: string): Promise<void>
  /**
   * Completes the job inside a transaction of the handler's own, once: what the handler writes through `tx` and the
   * completion happen together, exactly once, or not at all. Commit it afterwards, then return; what is returned is not
   * stored. Rolled back it is as if never called, and the run has failed. When it rejects, `tx` can no longer be
   * committed.
   *
   * @example await job.complete(tx, { paid: true })
   * @throws {ForgeQError} `lease_lost`, `invalid_request` (not a transaction, or the second call); or an error of the driver
   */
  complete(tx: CallerTransaction, result?: unknown): Promise<void>
}

/** What runs jobs of one type, wherever it came from. */
export interface Handler {
  readonly type: string
  /** The file it came from, or `library`. */
  readonly source: string
  /** Whether it can run outside of the worker's process: a module in a child, a program does anyway. Absent: it cannot. */
  readonly apart?: 'module' | 'program'
  readonly timeoutMs?: number
  readonly abortGraceMs?: number
  readonly backoff?: Backoff
  readonly schema?: StandardSchemaV1
  /** A payload that fails its schema is dead at once instead of being retried. */
  readonly invalidPayload?: 'retry' | 'dead'
  run(payload: unknown, job: RunningJob, lease: { payloadJson: string; backoff: Backoff }): unknown
}

/** The handlers of a worker by type, and the files that gave none. */
export interface HandlerSet {
  readonly handlers: ReadonlyMap<string, Handler>
  readonly types: string[]
  readonly problems: { file: string; message: string }[]
}

/** Wraps a run; `next` runs what is inside and gives its value. */
export type Middleware = (job: RunningJob, next: () => Promise<unknown>) => unknown

/** Handlers given in code. A type given twice keeps the last. */
export function handlerSet(handlers: Iterable<Handler>, problems: HandlerSet['problems'] = []): HandlerSet {
  const byType = new Map([...handlers].map((handler) => [handler.type, handler]))
  return { handlers: byType, types: [...byType.keys()].sort(), problems }
}

/** A result that is JSON text already: it is stored as it stands, so that no number loses a digit. */
export class JsonResult {
  readonly json: string
  constructor(json: string) {
    this.json = json
  }
}
