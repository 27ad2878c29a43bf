import type { Outcome } from '../job/outcome.ts'
import type { AbortReason } from './handler.ts'
import type { Lease, Report } from './lease.ts'

/** The error that a handler's `signal` carries as its reason. */
export class RunAborted extends Error {
  readonly reason: AbortReason
  readonly code: string

  constructor(reason: AbortReason, message: string) {
    super(message)
    this.name = 'AbortError'
    this.reason = reason
    this.code = reason
  }
}

export interface RunOptions {
  timeoutMs: number
  abortGraceMs: number
  isolated: boolean
}

/** `taken`: by the database, in a transaction that is the handler's to commit. */
export type Completion = 'asked' | 'taken' | 'refused'

/** A lease whose handler runs. */
export class Run {
  readonly lease: Lease
  readonly startedAt = performance.now()
  readonly timeoutMs: number
  readonly abortGraceMs: number
  /** In a child process of its own. */
  readonly isolated: boolean
  aborted: RunAborted | undefined
  abortedAt: number | undefined
  /** The worker ends: what the handler comes to is decided without it. */
  abandoned = false
  /** Its outcome has been decided although its code goes on: the slot stays taken. */
  stuck = false
  /** How far the handler's `complete` has come; absent while it has not called it. */
  completion: Completion | undefined
  /** Resolves when the database has answered to `complete`, whatever it said. */
  answered: Promise<void> | undefined
  /** What it comes to is decided, or its handler has ended: from here on nothing can be completed any more. */
  over = false
  #controller: AbortController | undefined

  constructor(lease: Lease, { timeoutMs, abortGraceMs, isolated }: RunOptions) {
    this.lease = lease
    this.timeoutMs = timeoutMs
    this.abortGraceMs = abortGraceMs
    this.isolated = isolated
  }

  /** Made when a handler first asks for it: most never do. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.aborted) this.#controller.abort(this.aborted)
    }
    return this.#controller.signal
  }

  get ranMs(): number {
    return performance.now() - this.startedAt
  }

  /** The first reason stands. */
  abort(reason: AbortReason, message: string): void {
    if (this.aborted) return
    this.aborted = new RunAborted(reason, message)
    this.abortedAt = performance.now()
    this.#controller?.abort(this.aborted)
  }

  /** What it comes to, for the store. */
  report(outcome: Outcome, remembered: NonNullable<Report['remembered']>): Report {
    const { lease, completion, abortGraceMs } = this
    // To the microsecond: more digits are noise, and each is sent.
    const ranMs = Math.round(this.ranMs * 1_000) / 1_000
    if (completion === undefined) return { lease, outcome, remembered, ranMs }
    return { lease, outcome, remembered, ranMs, completing: { waitMs: abortGraceMs } }
  }

  /** Nobody waits for the handler any longer. */
  giveUp(): void {
    this.stuck = true
    this.over = true
  }
}
