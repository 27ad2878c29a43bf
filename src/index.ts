export { ForgeQError, type ErrorCode, type Problem } from './errors.ts'
export { ForgeQ, type ForgeQOptions, type JobOutcome } from './forgeq.ts'
export type { EnqueuedJob, JobView } from './job-view.ts'
export {
  nonRetryable,
  NonRetryableError,
  retryAfter,
  RetryAfterError,
  snooze,
  SnoozeSignal,
} from './job/handler-signals.ts'
export type { Attempt, Instant, JobError, WorkerRef } from './job/job.ts'
export type { JobState } from './job/state.ts'
export type { EnqueueItem, EnqueueJobOptions } from './library-enqueue.ts'
export type { LibraryWorker, WorkerSettings } from './library-worker.ts'
export type { CallerTransaction, JobFilter, Pause, QueueFigures, Why, WorkerFigures } from './queue/job-queue.ts'
export { type BackoffOptions, defineJob, type JobDefinition, type JobOptions } from './worker/definition.ts'
export type { AbortReason, Middleware, RunningJob } from './worker/handler.ts'
