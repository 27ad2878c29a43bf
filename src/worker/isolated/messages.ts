import type { WorkerRef } from '../../job/job.ts'
import type { RunResult } from '../../job/outcome.ts'
import type { Keeping } from '../../store/history.ts'
import type { AbortReason } from '../handler.ts'
import type { Lease } from '../lease.ts'

/** What a child needs to run one lease. */
export interface ChildOrder {
  file: string
  lease: Omit<Lease, 'session'>
  /** Tells its messages from those of the order before. */
  no: number
  /** In whose name it is leased: what the handler completes by itself is checked against it. */
  session: { id: string; worker: WorkerRef }
  keeping: Keeping
  maxResultBytes: number
  logLevel: string
}

export type ToChild = { kind: 'run'; order: ChildOrder } | { kind: 'abort'; reason: AbortReason; message: string }

/** What a child says of the job that it runs. */
export type FromJob =
  /** The order has come; from here on something of its handler's may run. */
  | { kind: 'begun' }
  /** `clean`: the handler has left nothing open behind it, and the process may run another job. */
  | { kind: 'result'; result: RunResult; clean: boolean }
  | { kind: 'progress'; value: number; message?: string }
  | { kind: 'log'; line: string }
  /** The handler completes its job in a transaction of its own. */
  | { kind: 'completing' }
  /** The event loop turns. */
  | { kind: 'pulse' }

/** With the number of the order that it is about. */
export type FromChild = FromJob & { no: number }

/** Ours among what a handler may send by itself. */
export interface Marked {
  forgeq: FromChild
}

export const messageOf = (received: unknown): FromChild | undefined =>
  typeof received === 'object' && received !== null ? (received as Partial<Marked>).forgeq : undefined

export const PULSE_MS = 500
