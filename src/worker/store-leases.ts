import { setTimeout as sleep } from 'node:timers/promises'
import { isForgeQError } from '../errors.ts'
import { backendLives } from '../store/backends.ts'
import type { Connection, DatabasePool } from '../store/database.ts'
import { claimJobs, findLanes, LANES_SEEN_WHOLE, type LaneClaim, noteStarts, pausedQueues } from '../store/leases.ts'
import type { LeasedJob } from '../store/leased-job.ts'
import { noteSuspect } from '../store/quarantine.ts'
import { syncLeases } from '../store/recovery.ts'
import { waitAtMost } from '../store/wait-at-most.ts'
import { Lanes } from './lanes.ts'
import type { Lease, Session } from './lease.ts'

/** One lease of one job. */
export type LeaseId = Pick<Lease, 'id' | 'token'>

/** How many jobs are wanted now. */
export interface LeaseWish {
  session: Session
  limit: number
  /** Most jobs wanted of a queue with a limit of its own; the other queues share `limit`. */
  perQueue: ReadonlyMap<string, number>
  /** How many of them may be started before more is noted. */
  startable: number
  /** False: none that was lost before. */
  suspects: boolean
}

export interface StoreLeasesOptions {
  db: DatabasePool
  types: string[]
  /** Served queues with the slots that each may take; null: every queue. */
  queues: Readonly<Record<string, number | null>> | null
  /** Longest time between two full looks. */
  lookMs: number
}

/** Given back more often than this without having reached the worker, a lease counts as a lost run. */
const MAX_GIVEN_BACK = 3
/** Of the longest time between two looks: a full buffer keeps claims half of that apart, and the next may be too late. */
const LOOK_EARLY = 0.4
const CLOSE_MS = 100
/** A look may take this part of the time at most, however much dead entries slow it down. */
const LOOK_SHARE = 0.05

/**
 * Takes leases from the store, one claim at a time on a connection of its own, so that the numbers of its leases and
 * what it knows of them agree. When the answer to a claim is lost, the store may hold leases that nobody knows of: they
 * are given back by `sync` once the lost connection's backend is known to be gone.
 */
export class StoreLeases {
  readonly #options: StoreLeasesOptions
  readonly #lanes = new Lanes()
  #numbered = 0
  readonly #noted = new Map<string, number>()
  #session: Session | undefined
  #connection: Connection | undefined
  #lostBackend: number | undefined
  #syncDue = false
  #lookAt = 0
  #woken = true
  #turn = 0
  #busy: Promise<unknown> = Promise.resolve()

  constructor(options: StoreLeasesOptions) {
    this.#options = options
  }

  /** There may be something new: the next claim that comes back short is repeated from the start. */
  wake(): void {
    this.#woken = true
  }

  /** True when a claim's answer was lost: call `sync` before the next lease. */
  get syncDue(): boolean {
    return this.#syncDue
  }

  /** Leases up to `limit` jobs, in the order in which they are to start. `more`: there may be others to be had at once. */
  lease(wish: LeaseWish): Promise<{ leases: Lease[]; more: boolean }> {
    return this.#alone(async () => {
      this.#follow(wish.session)
      const found: LeasedJob[] = []
      let more = false
      try {
        if (this.#lookDue()) await this.#look()
        more = await this.#claim(wish, found)
        if (found.length < wish.limit && (this.#woken || this.#lanes.partial)) {
          // Jobs may lie behind the remembered positions or in lanes that are not known yet: once more, from the start.
          this.#woken = false
          if (found.length > 0) {
            // What is there starts meanwhile: the next call begins with the look.
            this.#lookAt = 0
            more = true
          } else {
            await this.#look()
            more = (await this.#claim(wish, found)) || this.#lanes.partial
          }
        }
      } catch (error) {
        // What an earlier claim has leased is ours all the same.
        if (found.length === 0) throw error
        more = true
      }
      const claimedAt = performance.now()
      return { leases: found.map((job): Lease => Object.assign(job, { session: wish.session, claimedAt })), more }
    })
  }

  /** True when the store knows that this lease may have been started. */
  isNoted(lease: Lease): boolean {
    return lease.leaseNo <= (this.#noted.get(lease.queue) ?? 0)
  }

  /** Notes that a job which was lost before starts beside others. False: its lease is over. */
  noteSuspect({ id, token, session }: Lease): Promise<boolean> {
    return noteSuspect(this.#options.db, { id, token, sessionId: session.id })
  }

  /** Notes that leases of a queue up to `upto` may be started. False: the session is over. */
  async note(session: Session, queue: string, upto: number): Promise<boolean> {
    const alive = await noteStarts(this.#options.db, { sessionId: session.id, queue, upto })
    if (alive && session === this.#session) this.#noted.set(queue, Math.max(upto, this.#noted.get(queue) ?? 0))
    return alive
  }

  /**
   * Gives back, uncounted, what the store holds for this session and the worker does not know of. Returns those among
   * them that somebody asked to cancel: they are to be reported as released. `known` is asked after the last claim ended.
   */
  sync(session: Session, known: () => LeaseId[]): Promise<{ id: string; token: number }[]> {
    return this.#alone(async () => {
      this.#follow(session)
      await this.#awaitLostBackend()
      const connection = await this.#connect()
      const { cancelling } = await syncLeases(connection, {
        sessionId: session.id,
        upto: this.#numbered,
        known: known(),
        maxGivenBack: MAX_GIVEN_BACK,
      })
      this.#syncDue = false
      return cancelling
    })
  }

  /** The served queues that are paused now. */
  paused(): Promise<string[]> {
    return pausedQueues(this.#options.db)
  }

  async close(): Promise<void> {
    // A claim that is not answered any more is cut off.
    await waitAtMost(
      CLOSE_MS,
      this.#busy.catch(() => {}),
    )
    await this.#connection?.close().catch(() => {})
  }

  /** Claims follow each other: numbers, positions and what a sync knows are of one claim at a time. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#busy.catch(() => {}).then(work)
    this.#busy = mine
    return mine
  }

  #follow(session: Session): void {
    if (session === this.#session) return
    this.#session = session
    this.#numbered = 0
    this.#noted.clear()
    // What an earlier session's claim may still lease is recovery's.
    this.#syncDue = false
    this.#lostBackend = undefined
  }

  #lookDue(): boolean {
    return performance.now() >= this.#lookAt
  }

  async #look(): Promise<void> {
    const { types, queues, lookMs } = this.#options
    const started = performance.now()
    const connection = await this.#connect()
    this.#lanes.replace(
      await this.#guard(connection, () => findLanes(connection, { types, queues: queues && Object.keys(queues) })),
    )
    const tookMs = performance.now() - started
    this.#lookAt = performance.now() + Math.max(lookMs * LOOK_EARLY, tookMs / LOOK_SHARE)
  }

  /** True when a claim came back full, or found no room for what it might have found. */
  async #claim(wish: LeaseWish, found: LeasedJob[]): Promise<boolean> {
    let more = false
    for (const { lanes, limit } of this.#groups(wish)) {
      const room = Math.min(limit, wish.limit - found.length)
      if (room <= 0) {
        more = true
        continue
      }
      const taken = await this.#claimGroup(wish, lanes, room)
      found.push(...taken)
      if (taken.length === room) {
        this.#lanes.advance(taken)
        more = true
      } else if (taken.length > 0 && lanes.length > LANES_SEEN_WHOLE) more = true
      else if (this.#lanes.positioned) {
        this.#lanes.rewind()
        this.#woken = true
      }
    }
    return more
  }

  /**
   * The queues without a limit of their own are claimed from together, each of the others apart: those with the highest
   * priority first, and in turns where it is the same, so that none lives off the others' slots.
   */
  #groups({ limit, perQueue }: LeaseWish): { lanes: LaneClaim[]; limit: number }[] {
    const all = this.#lanes.all
    if (perQueue.size === 0) return all.length > 0 ? [{ lanes: all, limit }] : []
    const capped = [...perQueue].map(([queue, most]) => ({
      lanes: all.filter((lane) => lane.queue === queue),
      limit: most,
    }))
    const groups = [{ lanes: all.filter((lane) => !perQueue.has(lane.queue)), limit }, ...capped]
    const first = this.#turn++ % groups.length
    const highest = ({ lanes }: { lanes: LaneClaim[] }) => Math.max(...lanes.map(({ priority }) => priority))
    return [...groups.slice(first), ...groups.slice(0, first)]
      .filter(({ lanes }) => lanes.length > 0)
      .sort((a, b) => highest(b) - highest(a))
  }

  async #claimGroup(
    { session, startable, suspects }: LeaseWish,
    lanes: LaneClaim[],
    limit: number,
  ): Promise<LeasedJob[]> {
    const nextLeaseNo = this.#numbered + 1
    // Should the answer be lost, these numbers count as used.
    this.#numbered += limit
    const connection = await this.#connect()
    const taken = await this.#guard(connection, () =>
      claimJobs(connection, { sessionId: session.id, lanes, limit, nextLeaseNo, startable, suspects }),
    )
    this.#numbered = taken.at(-1)?.leaseNo ?? nextLeaseNo - 1
    for (const { queue, leaseNo } of taken) {
      if (leaseNo < nextLeaseNo + startable) this.#noted.set(queue, Math.max(leaseNo, this.#noted.get(queue) ?? 0))
    }
    return taken
  }

  /** A statement whose answer was lost leaves its backend to be waited for and its leases to be synced. */
  async #guard<T>(connection: Connection, statement: () => Promise<T>): Promise<T> {
    try {
      return await statement()
    } catch (error) {
      if (isForgeQError(error, 'unavailable')) {
        this.#syncDue = true
        this.#lostBackend = connection.backendPid
        void connection.close().catch(() => {})
        if (this.#connection === connection) this.#connection = undefined
      }
      throw error
    }
  }

  async #connect(): Promise<Connection> {
    if (this.#connection) return this.#connection
    const connection = await this.#options.db.connect('claims')
    connection.onEnd(() => {
      if (this.#connection === connection) this.#connection = undefined
    })
    this.#connection = connection
    return connection
  }

  async #awaitLostBackend(): Promise<void> {
    while (this.#lostBackend !== undefined) {
      if (!(await backendLives(this.#options.db, this.#lostBackend))) this.#lostBackend = undefined
      else await sleep(50)
    }
  }
}
