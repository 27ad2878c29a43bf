import type { Limits } from './checker/verdict.ts'

/** Short, so that much happens in a minute; the same for every process of the product. */
export const LEASE_MS = 4_000
export const HEARTBEAT_MS = 800
export const RECOVERY_MS = 1_000
export const STALL_LIMIT_MS = 20_000
export const SLOTS = 8

/** Of every job that is enqueued. */
export const BACKOFF = { kind: 'exponential', base: '200ms', cap: '2s', jitter: 0.2 } as const
const LONGEST_BACKOFF_MS = 2_400

/** The longest that a handler of the workload takes. */
export const LONGEST_RUN_MS = 7_000

/** No job is delayed for longer. */
export const LONGEST_DELAY_MS = 20_000

export const SERVERS = ['server-1', 'server-2'] as const
export const WORKERS = ['worker-1', 'worker-2', 'worker-3'] as const
/** Workers written with the library, and the program that enqueues with it. */
export const LIBRARY_WORKERS = ['library-1', 'library-2'] as const
export const HTTP_ENQUEUERS = ['enqueuer-1', 'enqueuer-2'] as const
export const LIBRARY_ENQUEUER = 'enqueuer-3'
export const CLI_ENQUEUER = 'enqueuer-4'

/** All that a job may still have before it when everything is whole again: a few failures and losses, its runs. */
const LONGEST_WAY_MS = 4 * LONGEST_BACKOFF_MS + 2 * LONGEST_RUN_MS

/** What the checker holds the product to. */
export const LIMITS: Limits = {
  leaseMs: LEASE_MS,
  recoveryMs: RECOVERY_MS,
  // Eleven processes and PostgreSQL may share two cores.
  passMs: 3_000,
  longestBackoffMs: LONGEST_WAY_MS,
  maxLost: 3,
  slots: SLOTS,
}

/** Types of jobs: what completes by what it returns, and what completes through its own transaction. */
export const TYPE = 'chaos'
export const TX_TYPE = 'chaos_tx'

/** Rows that handlers write through the transaction that completes their job. */
export const EFFECTS = 'public.chaos_effects'

/** After the last enqueue everything is final by then, or will be found to be late. */
export const FINAL_WITHIN_MS = LONGEST_DELAY_MS + 3 * LEASE_MS + LONGEST_WAY_MS + 1_000
