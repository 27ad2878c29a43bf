import type { Instant, Job, JobError, NewJob } from '../job/job.ts'
import type { FinalState, JobState } from '../job/state.ts'
import type { CallerTransaction } from '../store/caller-transaction.ts'
import type { SessionRecord } from '../store/sessions.ts'

export type { CallerTransaction } from '../store/caller-transaction.ts'

/** What an enqueue came to. `removed`: its key lives on, but the job it made has gone by retention. */
export type Enqueued =
  | { created: boolean; job: Job; removed?: never }
  | { created: false; removed: { id: string; state: FinalState }; job?: never }

export interface EnqueueOptions {
  tx?: CallerTransaction
}

export interface JobFilter {
  states?: JobState[]
  queue?: string
  type?: string
  tag?: string
  /** Idempotency key. */
  key?: string
  /** Worker's id or name of the last run. */
  worker?: string
  /** Fingerprint, or a part of the error's message. */
  error?: string
  createdAfter?: Instant
  createdBefore?: Instant
  finishedAfter?: Instant
  /** `payload.a.b=x`: the value as text at that path equals `x`. */
  payload?: { path: string[]; value: string }[]
  /** A literal part of id, type, a tag or the error. */
  q?: string
  /** 1 to 1000. */
  limit: number
  cursor?: string
}

export interface JobPage {
  /** Newest first. */
  items: Job[]
  nextCursor?: string
  /** Set when the search ran out of time: everything newer than this has been looked at. */
  searchedUntil?: Instant
}

export interface JobResult {
  state: JobState
  resultJson?: string
  error?: JobError
  reason?: string
}

export const WHY_CODES = [
  'final',
  'running',
  'cancelling',
  'scheduled',
  'retrying',
  'paused',
  'no_worker',
  'behind',
  'ready',
] as const

/** Why a job is not running now: the codes that hold, the hardest first, each with a sentence for people. */
export interface Why {
  id: string
  state: JobState
  reasons: { code: (typeof WHY_CODES)[number]; message: string; details: Record<string, unknown> }[]
}

export interface Pause {
  reason?: string
  by?: string
  since: Instant
  until?: Instant
}

export interface QueueFigures {
  name: string
  paused?: Pause
  depth: { scheduled: number; pending: number; running: number; retrying: number; blocked: number; dead: number }
  oldestPendingSeconds?: number
  /** Per second, over the last minute. */
  rates: { enqueued: number; finished: number }
  /** Live workers that serve the queue. */
  workers: number
  /** Types with waiting jobs that no live worker serves. */
  unservedTypes: string[]
  waitingWorkSeconds?: number
}

export type WorkerFigures = SessionRecord

/** What the server's /metrics shows of the store. */
export interface StoreFigures {
  queues: QueueFigures[]
  /** Since the store was made. */
  enqueued: { queue: string; type: string; count: number }[]
  outcomes: { queue: string; type: string; outcome: string; count: number }[]
  lost: number
  workers: number
}

/** Everything that people and programs ask of the queue; the server, the CLI and the library are its callers. */
export interface JobQueue {
  /**
   * Puts one job on its queue. When the promise resolves the job is on the primary's disk (with `tx`: once that
   * commits). A rejection with `unavailable` means unknown: repeat it with the same id or key.
   * @throws {ForgeQError} `conflict` (details.id), `invalid_job`, `unavailable`
   */
  enqueue(job: NewJob, options?: EnqueueOptions): Promise<Enqueued>
  /** Many at once, all or nothing, in the order given; a conflict names its place (`jobs[3]`). */
  enqueueMany(jobs: NewJob[], options?: EnqueueOptions): Promise<Enqueued[]>
  jobs: {
    /** With every attempt. @throws `job_not_found` */
    get(id: string): Promise<Job>
    list(filter: JobFilter): Promise<JobPage>
    /** Waits up to `waitMs` for the end. @throws `job_not_found`, `job_expired` */
    result(id: string, options: { waitMs: number; signal?: AbortSignal }): Promise<JobResult>
    why(id: string): Promise<Why>
    /** A new life for a final job; a retrying one runs now. @throws `job_not_found`, `wrong_state` */
    retry(id: string): Promise<Job>
    /** A scheduled or retrying job becomes pending now. */
    run(id: string): Promise<Job>
    /** A running job is asked to end (its answer has `cancelRequestedAt`), a waiting one ends at once. */
    cancel(id: string): Promise<Job>
    /** Takes a job that is not running away for good and frees its idempotency key. */
    delete(id: string): Promise<void>
  }
  queues: {
    list(): Promise<QueueFigures[]>
    /** @throws `queue_not_found` when nothing is known of that name */
    get(name: string): Promise<QueueFigures>
    /** In force within 1 s everywhere; running jobs finish. */
    pause(name: string, options?: { reason?: string; by?: string; until?: Instant }): Promise<QueueFigures>
    resume(name: string): Promise<QueueFigures>
  }
  workers: {
    list(): Promise<WorkerFigures[]>
    /** @throws `worker_not_found` */
    get(id: string): Promise<WorkerFigures>
  }
  /** Throws `unavailable` or `schema_mismatch` when this release cannot serve the database it finds. */
  ready(): Promise<{ postgres: string; schema: number }>
  figures(): Promise<StoreFigures>
}
