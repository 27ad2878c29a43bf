import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { LeaseBuffer } from './buffer.ts'
import { allowed } from './crash-brake.ts'
import type { HandlerSet } from './handler.ts'
import type { Lease, LeaseRef, Report, Session } from './lease.ts'
import type { Pace } from './pace.ts'
import type { Pool } from './pool.ts'
import { Quarantine } from './quarantine.ts'
import type { SessionKeeper } from './session-keeper.ts'
import type { StoreLeases } from './store-leases.ts'

export interface DispatcherOptions {
  leases: StoreLeases
  pool: Pool
  handlers: HandlerSet
  pace: Pace
  keeper: SessionKeeper
  /** Slots that a queue may take; queues without a limit are not in it. */
  caps: ReadonlyMap<string, number>
  pollMs: number
  log: Logger
  report(report: Report): void
  /** Leases whose outcome has no verdict yet. */
  unsettled(): ReadonlyMap<LeaseRef, unknown>
}

const SYNC_MS = 30_000
/** What has run and is not written would run again if this worker died now. */
const MOST_UNSETTLED = 2_000
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000
/** A lease of a job that still runs here under an older lease: given back, to be looked at again after this time. */
const STILL_RUNNING_MS = 1_000

/** Leases jobs into a bounded buffer and feeds the pool from it, so that no slot waits for a round trip. */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #buffer = new LeaseBuffer()
  readonly #quarantine: Quarantine
  readonly #ending = new AbortController()
  #wakeUp: (() => void) | undefined
  #nudged = false
  /** The last claim left something behind, or there has been a hint since. */
  #more = true
  #noting = new Set<string>()
  #suspectsTurn = false
  /** So many outcomes wait for the store's word that nothing more is leased. */
  #unheard = false
  #failures = 0
  #syncAt = performance.now() + SYNC_MS
  #pausedAt = 0
  #loop: Promise<void> = Promise.resolve()

  constructor(options: DispatcherOptions) {
    this.#options = options
    const { leases, pool, handlers } = options
    this.#quarantine = new Quarantine({
      handlers,
      pool,
      note: (lease) => leases.noteSuspect(lease),
      isHeld: (lease) => pool.has(lease.id) || this.#buffer.has(lease),
      onAdmitted: () => this.changed(),
      onOver: (lease) => this.#buffer.remove((one) => one === lease).forEach((one) => this.#giveBack(one)),
    })
  }

  get buffered(): number {
    return this.#buffer.size
  }

  /** It is time to compare what the store holds with what is known here. */
  get syncDue(): boolean {
    return this.#options.leases.syncDue || performance.now() >= this.#syncAt
  }

  start(): void {
    this.#loop = this.#run()
  }

  /** There may be something to lease. */
  wake(): void {
    this.#options.leases.wake()
    this.#more = true
    this.#nudge()
  }

  /** A slot is free, a session is there, a note is written: starts what may start, and leases more when it is time. */
  changed(): void {
    this.#pump()
    if ((this.#more || this.#quarantine.isCrowded) && this.#wanted() > 0) this.#nudge()
  }

  /** A queue may have been paused: looks at once, and hands back what is buffered of it. */
  pausesChanged(): void {
    this.#pausedAt = 0
    this.#nudge()
  }

  /** The store has said its word about some outcomes. */
  settled(): void {
    if (this.#unheard) this.changed()
  }

  /** Nothing of a lost session is started; the store takes it back by itself, or now if it can hear us. */
  drop(session: Session): void {
    for (const lease of this.#buffer.remove((one) => one.session === session)) this.#giveBack(lease)
  }

  /** Ends a buffered job that somebody asked to cancel. True when it was there. */
  cancel(id: string, token: number): boolean {
    const [lease] = this.#buffer.remove((one) => one.id === id && one.token === token)
    if (lease) this.#giveBack(lease) // the store turns it into a cancellation
    return lease !== undefined
  }

  /** Leases nothing more and hands back what has not been started, uncounted. */
  async stop(): Promise<void> {
    this.#ending.abort()
    this.#giveBackAll()
    this.#nudge()
    await this.#loop
    this.#giveBackAll()
  }

  #giveBackAll(): void {
    for (const lease of this.#buffer.remove(() => true)) this.#giveBack(lease)
  }

  #giveBack(lease: Lease): void {
    this.#options.report({ lease, outcome: { state: 'pending' } })
  }

  async #run(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const session = this.#options.keeper.current
      if (!session) {
        await this.#wait(this.#options.pollMs)
        continue
      }
      try {
        await this.#pass(session)
        this.#failures = 0
      } catch (error) {
        await this.#failed(error)
      }
    }
  }

  async #pass(session: Session): Promise<void> {
    const { leases, pollMs } = this.#options
    if (this.syncDue) await this.#sync(session)
    await this.#handBackPaused()
    this.#handBackSurplus()
    this.#handBackSuspects()
    const { suspects, most } = this.#turn()
    const limit = Math.min(this.#wanted(), most, session.brake ? allowed(session.brake) : Infinity)
    if (limit <= 0) return this.#wait(pollMs)
    this.#more = false
    const found = await leases.lease({
      session,
      limit,
      perQueue: this.#room(),
      // What lies in the buffer starts first.
      startable: Math.max(0, this.#options.pool.free + this.#options.pace.soon - this.#buffer.size),
      suspects,
    })
    this.#more ||= found.more
    if (session.brake && found.leases.length > 0) session.brake.leased = true
    this.#receive(found.leases)
    if (!suspects && this.#quarantine.room(this.#buffer) > 0) return // now it is their turn
    // More may be there, but of queues that have no room: until that changes there is nothing to do either.
    if (!found.more || found.leases.length === 0) return this.#wait(pollMs * (0.75 + Math.random() / 4))
  }

  /** While suspects crowd the head of a queue: by turns a few of whatever comes first, and what was never lost. */
  #turn(): { suspects: boolean; most: number } {
    if (!this.#quarantine.isCrowded) return { suspects: true, most: Infinity }
    const room = this.#quarantine.room(this.#buffer)
    this.#suspectsTurn = room > 0 && !this.#suspectsTurn
    return this.#suspectsTurn ? { suspects: true, most: room } : { suspects: false, most: Infinity }
  }

  /** How many jobs to lease now; nothing while the buffer is more than half full. */
  #wanted(): number {
    const { pool, pace, unsettled } = this.#options
    this.#unheard = unsettled().size >= Math.max(MOST_UNSETTLED, 2 * pool.concurrency)
    if (this.#unheard) return 0
    const ahead = pace.buffered
    const spare = this.#buffer.size - pool.free
    if (spare > ahead / 2) return 0
    return Math.min(pace.mostAtOnce, ahead - spare)
  }

  /** What a queue with a limit may still be given: its share of the slots and, in proportion, of the buffer. */
  #room(): Map<string, number> {
    const { caps, pool, pace } = this.#options
    return new Map(
      [...caps].map(([queue, slots]) => {
        const ahead = Math.floor((pace.buffered * slots) / pool.concurrency)
        return [queue, slots + ahead - pool.count(queue) - this.#buffer.count(queue)]
      }),
    )
  }

  #receive(leases: readonly Lease[]): void {
    const { pool, keeper, pace } = this.#options
    pace.received(leases.map(({ payloadJson }) => payloadJson.length))
    this.#quarantine.received(leases)
    const fresh = leases.filter((lease) => !pool.has(lease.id))
    this.#buffer.push(fresh)
    for (const lease of leases) {
      if (pool.has(lease.id))
        this.#options.report({ lease, outcome: { state: 'scheduled', delayMs: STILL_RUNNING_MS } })
    }
    const session = leases[0]?.session
    if (session && (session.lost || keeper.current !== session)) this.drop(session)
    if (this.#ending.signal.aborted) this.#giveBackAll()
    this.#pump()
    this.#handBackSuspects()
  }

  #pump(): void {
    const { pool, keeper } = this.#options
    while (pool.free > 0 && !this.#ending.signal.aborted) {
      const session = keeper.current // the clock is looked at before each start
      if (!session) return
      const lease = this.#buffer.take((one) => one.session === session && this.#mayStart(one))
      if (!lease) return
      keeper.noteStart(lease.type)
      pool.start(lease)
    }
  }

  #mayStart(lease: Lease): boolean {
    return this.#hasRoom(lease) && this.#isNoted(lease) && this.#quarantine.admits(lease)
  }

  #hasRoom({ queue }: Lease): boolean {
    const most = this.#options.caps.get(queue)
    return most === undefined || this.#options.pool.count(queue) < most
  }

  /** Nothing starts before the store knows that it may have: what is not noted is noted now, with what will follow soon. */
  #isNoted(lease: Lease): boolean {
    const { leases } = this.#options
    if (leases.isNoted(lease)) return true
    if (this.#noting.has(lease.queue)) return false
    this.#noting.add(lease.queue)
    void this.#note(lease)
    return false
  }

  /** Notes that a lease, and what will follow it soon, may be started; then starts them. */
  async #note(lease: Lease): Promise<void> {
    const { leases, pace, pool } = this.#options
    const soon = Math.min(this.#buffer.last(lease.queue)?.leaseNo ?? 0, lease.leaseNo + pool.free + pace.soon)
    const noted = await leases.note(lease.session, lease.queue, Math.max(lease.leaseNo, soon)).catch(() => false)
    if (!noted) await sleep(FIRST_PAUSE_MS)
    this.#noting.delete(lease.queue)
    this.changed()
  }

  async #sync(session: Session): Promise<void> {
    const { leases, pool, unsettled } = this.#options
    const known = () => [...this.#buffer, ...pool.leases(), ...unsettled().keys()]
    const cancelling = await leases.sync(session, known)
    this.#syncAt = performance.now() + SYNC_MS * (0.9 + Math.random() / 5)
    for (const { id, token } of cancelling) {
      this.#options.report({
        lease: { id, token, session, queue: '', type: '', keyed: false },
        outcome: { state: 'pending' },
      })
    }
  }

  async #handBackPaused(): Promise<void> {
    if (performance.now() < this.#pausedAt || this.#buffer.size === 0) return
    this.#pausedAt = performance.now() + this.#options.pollMs * 0.7 // so that each look of a second is one
    const paused = new Set(await this.#options.leases.paused())
    if (paused.size === 0) return
    for (const lease of this.#buffer.remove(({ queue }) => paused.has(queue))) this.#giveBack(lease)
  }

  /** Leased while the handlers were fast, and now they are slow: others may have free slots for it. */
  #handBackSurplus(): void {
    if (this.#options.pace.stands) this.#giveBackAll()
  }

  /** Suspects that would wait for each other here may start at once elsewhere. */
  #handBackSuspects(): void {
    const surplus = new Set(this.#quarantine.surplus(this.#buffer))
    if (surplus.size === 0) return
    for (const lease of this.#buffer.remove((one) => surplus.has(one))) this.#giveBack(lease)
  }

  async #failed(error: unknown): Promise<void> {
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures++)
    if (!this.#ending.signal.aborted) this.#options.log.warn({ err: error }, 'leasing failed; trying again')
    this.#nudged = false // hints do not shorten the pause
    await sleep(pauseMs * (0.75 + Math.random() / 2), undefined, { signal: this.#ending.signal }).catch(() => {})
  }

  #nudge(): void {
    this.#nudged = true
    this.#wakeUp?.()
  }

  /** Waits so long, or until there is a reason to go on; a reason that came before the wait counts. */
  async #wait(ms: number): Promise<void> {
    if (!this.#nudged && !this.#ending.signal.aborted) await this.#sleep(ms)
    this.#nudged = false
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer)
        this.#wakeUp = undefined
        resolve()
      }
      const timer = setTimeout(done, ms)
      this.#wakeUp = done
    })
  }
}
