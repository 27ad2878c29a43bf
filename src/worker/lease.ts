import type { JobError, WorkerRef } from '../job/job.ts'
import type { LeasedJob } from '../store/leased-job.ts'
import type { Outcome } from '../job/outcome.ts'
import type { CrashBrake } from './crash-brake.ts'

/** The registration under which leases are held. A worker whose session is lost goes on with a new one. */
export interface Session {
  readonly id: string
  readonly worker: WorkerRef
  /** Set once it is over: nothing starts under it, its outcomes are refused. */
  lost: boolean
  /** Its worker has kept dying young. */
  readonly brake?: CrashBrake
}

/** A job in this worker's hands. */
export interface Lease extends LeasedJob {
  readonly session: Session
  /** `performance.now()` when the claim was answered. */
  readonly claimedAt: number
}

/** As much of a lease as an outcome needs. */
export type LeaseRef = Pick<Lease, 'id' | 'token' | 'session' | 'queue' | 'type' | 'keyed'> &
  Partial<Pick<Lease, 'leaseNo'>>

/** What is to be written about a lease. */
export interface Report {
  readonly lease: LeaseRef
  readonly outcome: Outcome
  /** How the run is remembered when its job goes on. */
  readonly remembered?: 'failed' | 'snoozed' | 'released' | 'lost'
  /** Milliseconds that the handler ran; absent when it never started. */
  readonly ranMs?: number
  /** Its handler has called `complete`: the job may have ended in a transaction that is not ours, or still be held by it. */
  readonly completing?: { waitMs: number }
}

/** The store's word on a report. */
export type Verdict = { accepted: true; state: string } | { accepted: false }

export const errorOf = (outcome: Outcome): JobError | undefined => ('error' in outcome ? outcome.error : undefined)
