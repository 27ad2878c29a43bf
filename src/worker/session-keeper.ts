import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import { uuidv7 } from 'uuidv7'
import type { ConnectionOptions, DatabasePool } from '../store/database.ts'
import { endSession, formerSessions, registerSession } from '../store/sessions.ts'
import { waitAtMost } from '../store/wait-at-most.ts'
import { brakeAfter, isAliveHere, LOOK_BACK, startPauseMs } from './crash-brake.ts'
import { type Heartbeat, monotonicMs, startHeartbeat } from './heartbeat.ts'
import type { Session } from './lease.ts'

export interface SessionKeeperOptions {
  db: DatabasePool
  connection: ConnectionOptions
  name: string
  version: string
  queues: string[]
  types: string[]
  concurrency: number
  leaseMs: number
  heartbeatMs: number
  stallLimitMs: number
  exclusiveProcess: boolean
  log: Logger
  /** A session is there to lease under. */
  onSession(session: Session): void
  onLost(session: Session): void
  onCancel(cancel: { id: string; token: number }[]): void
  onStalled(type: string): void
  onBroken(error: Error): void
}

/** This part of the lease is never used: the worker stops trusting its session before the store does. */
const MARGIN = 0.1
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 3_000
const HEARTBEAT_STOP_MS = 400

/** Sessions of all workers of this process: they are no traces of one that died. */
const registeredHere = new Set<string>()

/** Keeps this worker registered: a session that is lost is given up for good and followed by a new one. */
export class SessionKeeper {
  readonly #options: SessionKeeperOptions
  readonly #heartbeat: Heartbeat
  #session: Session | undefined
  /** When (`monotonicMs`) the newest word was sent that gave the session its lease. */
  #renewedAt: () => number = () => 0
  #stopping = new AbortController()
  #registering: Promise<void> = Promise.resolve()

  constructor(options: SessionKeeperOptions) {
    this.#options = options
    const { connection, leaseMs, heartbeatMs, stallLimitMs, exclusiveProcess } = options
    this.#heartbeat = startHeartbeat({
      connection,
      leaseMs,
      heartbeatMs,
      stallLimitMs,
      exclusiveProcess,
      onCancel: (id, cancel) => this.current?.id === id && this.#options.onCancel(cancel),
      onLost: (id) => this.#session?.id === id && this.lose('the store has ended it'),
      onStalled: (id, type) => this.#stalled(id, type),
      onBroken: (error) => this.#options.onBroken(error),
    })
  }

  /** The session to lease and start under; undefined while there is none. Looks at the clock each time. */
  get current(): Session | undefined {
    const session = this.#session
    if (session && monotonicMs() >= this.#deadline()) this.lose('its heartbeat was not answered in time')
    return this.#session
  }

  /** Registers. Rejects with `unavailable` when the database is away. */
  async start(): Promise<void> {
    await this.#register()
  }

  noteStart(type: string): void {
    this.#heartbeat.noteStart(type)
  }

  setStatus(status: 'active' | 'draining' | 'stuck'): void {
    this.#heartbeat.setStatus(status)
  }

  /** From this moment nothing is done under the session, whatever the store still thinks of it. */
  lose(why: string): void {
    const session = this.#session
    if (!session) return
    this.#session = undefined
    session.lost = true
    this.#options.log.warn({ worker_id: session.id, why }, 'session lost; registering anew')
    this.#options.onLost(session)
    this.#registering = this.#registerAgain(session.id)
  }

  async #register(formerId?: string): Promise<void> {
    const { db, name, version, queues, types, concurrency, leaseMs, log } = this.#options
    const known = { name, host: hostname(), pid: process.pid, queues, types }
    // A process that lives on is no crash, whatever became of its session.
    const pauseMs = formerId
      ? 0
      : startPauseMs(await formerSessions(db, known, { limit: LOOK_BACK }), (one) => isAliveHere(one, registeredHere))
    if (pauseMs > 0)
      log.warn(
        { pause_ms: pauseMs },
        'this worker has died soon after each of its last starts; it waits, then leases one job',
      )
    const id = uuidv7()
    registeredHere.add(id)
    const before = monotonicMs()
    await registerSession(db, { ...known, id, version, concurrency, pauseMs, ...(formerId && { formerId }) }, leaseMs)
    const session: Session = {
      id,
      worker: { id, name, host: known.host, pid: known.pid },
      lost: false,
      ...(pauseMs > 0 && { brake: brakeAfter(pauseMs) }),
    }
    const beat = this.#heartbeat.follow(id)
    this.#renewedAt = () => Math.max(before, beat())
    this.#session = session
    this.#options.onSession(session)
  }

  async #registerAgain(formerId: string): Promise<void> {
    const { signal } = this.#stopping
    for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      try {
        // Should the store still think it alive, its jobs need not wait for its expiry.
        await endSession(this.#options.db, { sessionId: formerId, reason: 'lost by its worker' })
        if (!signal.aborted) await this.#register(formerId)
        return
      } catch {
        await sleep(pauseMs * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {})
      }
    }
  }

  /** Counted from before the heartbeat was sent: the store's lease cannot end earlier. */
  #deadline(): number {
    return this.#renewedAt() + this.#options.leaseMs * (1 - MARGIN)
  }

  #stalled(id: string, type: string): void {
    if (this.#session?.id === id) this.lose(`the main thread did not answer while ${type} ran`)
    this.#options.onStalled(type)
  }

  async #deregister(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    if (session) await endSession(this.#options.db, { sessionId: session.id, reason: 'stopped' }).catch(() => {})
  }

  /** Deregisters, within `withinMs`, and stops the heartbeat. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping.abort()
    // A registration that is under way comes first: it would leave a session behind that nobody ends.
    const ended = this.#registering.then(() => this.#deregister())
    await waitAtMost(withinMs, ended)
    await waitAtMost(HEARTBEAT_STOP_MS, this.#heartbeat.stop())
  }
}
