import type { Lease } from './lease.ts'

/** Leased jobs that wait for a slot, first in, first out; a queue at its limit is passed over. */
export class LeaseBuffer {
  #leases: Lease[] = []
  #head = 0

  get size(): number {
    return this.#leases.length - this.#head
  }

  push(leases: readonly Lease[]): void {
    for (const lease of leases) this.#leases.push(lease)
  }

  /** Takes the first lease that may start. */
  take(mayStart: (lease: Lease) => boolean): Lease | undefined {
    for (let i = this.#head; i < this.#leases.length; i++) {
      const lease = this.#leases[i]!
      if (!mayStart(lease)) continue
      if (i === this.#head) this.#head++
      else this.#leases.splice(i, 1)
      if (this.#head > 512) this.#compact()
      return lease
    }
    return undefined
  }

  /** Takes out all that match. */
  remove(matches: (lease: Lease) => boolean): Lease[] {
    this.#compact()
    const removed = this.#leases.filter(matches)
    if (removed.length > 0) this.#leases = this.#leases.filter((lease) => !matches(lease))
    return removed
  }

  count(queue: string): number {
    let n = 0
    for (let i = this.#head; i < this.#leases.length; i++) if (this.#leases[i]!.queue === queue) n++
    return n
  }

  has(lease: Lease): boolean {
    return this.#leases.includes(lease, this.#head)
  }

  last(queue: string): Lease | undefined {
    for (let i = this.#leases.length - 1; i >= this.#head; i--)
      if (this.#leases[i]!.queue === queue) return this.#leases[i]
    return undefined
  }

  *[Symbol.iterator](): IterableIterator<Lease> {
    for (let i = this.#head; i < this.#leases.length; i++) yield this.#leases[i]!
  }

  #compact(): void {
    this.#leases = this.#leases.slice(this.#head)
    this.#head = 0
  }
}
