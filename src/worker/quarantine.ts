import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Handler, HandlerSet } from './handler.ts'
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

/** So long after there were too many suspects here they are leased by ones and twos only. */
const CROWDED_MS = 2_000
const RETRY_MS = 50
const MODULES_PER_CORE = 2

/**
 * Holds the jobs that were lost before, the *suspects*, apart from the others. A handler module runs them in child
 * processes, a few at once for each core; a program has a process of its own anyway; what can only run in the worker
 * itself runs with one suspect at a time, noted in the store before it starts. More of them than can start soon are not
 * kept: another worker may have room.
 */
export class Quarantine {
  readonly #options: QuarantineOptions
  readonly #children = Math.max(4, MODULES_PER_CORE * availableParallelism())
  /** The suspect that runs in the worker itself, or is about to. */
  #here: { lease: Lease; noted: boolean } | undefined
  #crowdedUntil = 0

  constructor(options: QuarantineOptions) {
    this.#options = options
  }

  /** True when the lease may start now. */
  admits(lease: Lease): boolean {
    if (lease.lost === 0) return true
    const apart = this.#apart(lease)
    if (apart === 'program') return true
    if (apart === 'module') return this.#options.pool.isolated < this.#children
    const here = this.#here
    if (here?.lease === lease) return here.noted
    if (!this.#isTaken) void this.#note((this.#here = { lease, noted: false }))
    return false
  }

  /** There were more suspects than could start here; some of those that wait may be others'. */
  get isCrowded(): boolean {
    return performance.now() < this.#crowdedUntil
  }

  /** How many more suspects may be leased. */
  room(buffer: Iterable<Lease>): number {
    const waiting = this.#waiting(buffer)
    const here = waiting.filter((lease) => this.#apart(lease) !== 'module').length
    const inChildren = this.#children - this.#options.pool.isolated - (waiting.length - here)
    const inWorker = 1 - here - (this.#isTaken ? 1 : 0)
    return Math.max(0, this.#serves('module') ? inChildren : 0, this.#serves(undefined) ? inWorker : 0)
  }

  /** There may be more where these come from. */
  received(leases: readonly Lease[]): void {
    if (this.isCrowded && leases.some(({ lost }) => lost > 0)) this.#crowdedUntil = performance.now() + CROWDED_MS
  }

  /** Suspects in the buffer for which there is no room. */
  surplus(buffer: Iterable<Lease>): Lease[] {
    let modules = this.#children - this.#options.pool.isolated
    let here = this.#isTaken ? 0 : 1
    const surplus = this.#waiting(buffer).filter((lease) => (this.#apart(lease) === 'module' ? modules-- : here--) <= 0)
    if (surplus.length > 0) this.#crowdedUntil = performance.now() + CROWDED_MS
    return surplus
  }

  #serves(how: Handler['apart']): boolean {
    for (const { apart } of this.#options.handlers.handlers.values()) if (apart === how) return true
    return false
  }

  #apart({ type }: Lease): Handler['apart'] {
    return this.#options.handlers.handlers.get(type)?.apart
  }

  /** Suspects that have to wait for room; the one that is about to start has it. */
  #waiting(buffer: Iterable<Lease>): Lease[] {
    return [...buffer].filter(
      (lease) => lease.lost > 0 && lease !== this.#here?.lease && this.#apart(lease) !== 'program',
    )
  }

  /** A suspect runs in the worker, or is being noted. */
  get #isTaken(): boolean {
    const here = this.#here
    return here !== undefined && (!here.noted || this.#options.isHeld(here.lease))
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
