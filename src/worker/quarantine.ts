import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HandlerSet } from './handler.ts'
import type { Lease } from './lease.ts'
import type { Pool } from './pool.ts'

export interface QuarantineOptions {
  handlers: HandlerSet
  pool: Pool
  /** Tells the store that this lease starts beside others; false: it is over. */
  note(lease: Lease): Promise<boolean>
  /** The lease waits for its start or runs. */
  isHeld(lease: Lease): boolean
  /** A suspect may start now. */
  onAdmitted(): void
  /** The lease of a suspect is over. */
  onOver(lease: Lease): void
}

/** A suspect that could not start for so long goes back, so that others may have it. */
const WAITS_MS = 3_000
const RETRY_MS = 50

/**
 * Holds the jobs that were lost before, the *suspects*, apart from the others. A handler module runs them in child
 * processes, as many at once as there are cores; a program has a process of its own anyway; what can only run in the
 * worker itself runs with one suspect at a time, noted in the store before it starts.
 */
export class Quarantine {
  readonly #options: QuarantineOptions
  readonly #children = Math.max(2, availableParallelism())
  /** The suspect that runs in the worker itself, or is about to. */
  #here: { lease: Lease; noted: boolean } | undefined

  constructor(options: QuarantineOptions) {
    this.#options = options
  }

  /** True when the lease may start now. */
  admits(lease: Lease): boolean {
    if (lease.lost === 0) return true
    const { pool, handlers, isHeld } = this.#options
    const apart = handlers.handlers.get(lease.type)?.apart
    if (apart === 'program') return true
    if (apart === 'module') return pool.isolated < this.#children
    const here = this.#here
    if (here?.lease === lease) return here.noted
    if (!here || (here.noted && !isHeld(here.lease))) void this.#note((this.#here = { lease, noted: false }))
    return false
  }

  /** Suspects in the buffer that are better off elsewhere: too many at once, or for too long. */
  surplus(buffer: Iterable<Lease>, now = performance.now()): Lease[] {
    const suspects = [...buffer].filter((lease) => lease.lost > 0 && lease !== this.#here?.lease)
    const most = Math.max(1, Math.floor(this.#options.pool.concurrency / 2))
    return suspects.filter((lease, index) => index >= most || now - lease.claimedAt > WAITS_MS)
  }

  async #note(here: { lease: Lease; noted: boolean }): Promise<void> {
    const { note, onAdmitted, onOver } = this.#options
    const held = await note(here.lease).catch(() => undefined)
    if (held === undefined) await sleep(RETRY_MS) // no answer: asked again
    if (held) here.noted = true
    else if (this.#here === here) this.#here = undefined
    if (held === false) onOver(here.lease)
    onAdmitted()
  }
}
