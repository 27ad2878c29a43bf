import type { RunResult } from '../../job/outcome.ts'
import type { AbortReason } from '../handler.ts'
import type { Lease } from '../lease.ts'

/** What a child needs to run one lease. */
export interface ChildOrder {
  file: string
  lease: Omit<Lease, 'session'>
  maxResultBytes: number
  logLevel: string
}

export type ToChild = { kind: 'run'; order: ChildOrder } | { kind: 'abort'; reason: AbortReason; message: string }

export type FromChild =
  | { kind: 'result'; result: RunResult }
  | { kind: 'progress'; value: number; message?: string }
  | { kind: 'log'; line: string }
  /** The event loop turns. */
  | { kind: 'pulse' }

export const PULSE_MS = 500
