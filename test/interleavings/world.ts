import { DEFAULTS } from '../../src/config.ts'
import { keepingOf } from '../../src/queue/create.ts'
import { connect, type Connection, type ConnectionOptions, type Database } from '../../src/store/database.ts'
import { rawSql } from '../support/database.ts'
import { person, recovery, scheduler, time } from './background.ts'
import { enqueuer } from './enqueuer.ts'
import { Ledger, type Sent, Violation } from './ledger.ts'
import { allWait, empty, type LiveRow, look, prepare, type Sight, sweep } from './observer.ts'
import { type Edits, Road } from './road.ts'
import type { Mistakes, Scenario } from './scenario.ts'
import { type Offer, Stage } from './stage.ts'
import { WorkerActor } from './worker-actor.ts'

export type { Scenario } from './scenario.ts'

const SWEEP_EVERY = 400
const STUCK_TRIES = 100_000

/** One database, one cast, walk after walk. */
export class World {
  readonly scenario: Scenario
  readonly mistakes: Mistakes
  readonly keeping = keepingOf(DEFAULTS)
  readonly #edits: Edits
  readonly #options: ConnectionOptions
  readonly #connections = new Map<string, Connection>()
  readonly #observer: Connection
  readonly #keeper: Connection
  #roads = new Map<string, Road>()
  #pids = new Map<string, Set<number>>()
  #walks = 0
  #key = 0
  #memories = new Map<string, unknown>()
  #workers: WorkerActor[] = []
  #sight: Sight | undefined
  /** Everything in the journal up to here belongs to earlier walks. */
  #since = 0
  stage!: Stage
  ledger!: Ledger
  jobIds: string[] = []
  taken: string[] = []
  /** How many steps had been taken when healing began; -1 before. */
  healing = -1
  /** Before and after the walk proper everybody does whatever is to be done. */
  unbound = false

  private constructor(
    scenario: Scenario,
    options: ConnectionOptions,
    observer: Connection,
    keeper: Connection,
    edits: Edits,
    mistakes: Mistakes,
  ) {
    this.scenario = scenario
    this.#options = options
    this.#observer = observer
    this.#keeper = keeper
    this.#edits = edits
    this.mistakes = mistakes
  }

  static async open(
    scenario: Scenario,
    options: ConnectionOptions,
    { edits = {}, mistakes = {} }: { edits?: Edits; mistakes?: Mistakes } = {},
  ): Promise<World> {
    const observer = await connect(options, 'observer')
    const [row] = await rawSql<{ there: boolean }>(observer, `select to_regnamespace('walk') is not null as there`)
    if (!row!.there) await prepare(observer)
    // What the observer changes is no part of the walk.
    await rawSql(observer, 'set session_replication_role = replica')
    return new World(scenario, options, observer, await connect(options, 'keeper'), edits, mistakes)
  }

  get limit(): number {
    return this.scenario.limit ?? Math.max(1, this.scenario.jobs.length)
  }

  get failover(): boolean {
    return this.scenario.failover === true
  }

  /** All that is set by an actor's own connection, made once and used walk after walk. */
  road(actor: string, purpose: string): Road {
    const road = this.#roads.get(`${actor} ${purpose}`)
    if (!road) throw new Error(`no road for ${actor}: ${purpose}`)
    return road
  }

  sessionId = (worker: string, n: number): string => `00000000-0000-7000-8000-00000000${worker.slice(-1)}00${n}`

  /** The id of a job that an enqueuer makes; people can act on it from then on. */
  enqueuedId(name: string, left: number): string {
    const id = `00000000-0000-7000-8000-0000000000${name.slice(-1)}${left}`
    if (!this.jobIds.includes(id)) this.jobIds.push(id)
    return id
  }

  lives(sessionId: string): boolean {
    const session = this.#sight!.sessions.find(({ id }) => id === sessionId)
    return session !== undefined && !session.ended && !session.expired
  }

  /** What the next statement on this road is sent for. */
  sends(road: Road, sent: Sent): void {
    this.ledger.sent.set(road.pid, sent)
  }

  /** Part of what decides how an actor goes on. */
  remember(actor: string, memory: unknown): void {
    this.#memories.set(actor, memory)
  }

  enter(actor: string, script: (own: string) => Promise<void>): void {
    let own = actor
    for (let n = 2; this.#present.has(own); n++) own = `${actor} ${n}`
    this.#present.add(own)
    this.stage.enter(own, () => script(own).finally(() => this.#present.delete(own)))
  }
  readonly #present = new Set<string>()

  /** The statement of that name that this road sends next waits after its snapshot, until its gate is opened. */
  async hold(actor: string, road: Road, statement: string): Promise<void> {
    const key = ++this.#key
    await rawSql(this.#keeper, 'select pg_advisory_lock($1)', [key])
    road.hold(statement, key)
    this.enter(`gate in ${actor}'s ${statement}`, async (own) => {
      try {
        await this.stage.pass(own, ['open'])
      } finally {
        await rawSql(this.#keeper, 'select pg_advisory_unlock($1)', [key])
      }
    })
  }

  async expire(worker: string): Promise<void> {
    await rawSql(this.#observer, `${EXPIRE} name = $1`, [worker])
  }

  /** What waits for its time is due; rows that somebody has locked are left alone. */
  async ripen(): Promise<void> {
    await rawSql(
      this.#observer,
      `update forgeq.jobs set run_at = clock_timestamp() - interval '1 ms'
        where id in (select id from forgeq.jobs where state in ('retrying', 'scheduled') and run_at > clock_timestamp() for update skip locked)`,
    )
  }

  /** Everything as before the first step, and everybody at the first gate. */
  async start(): Promise<void> {
    await this.finish()
    if (++this.#walks % SWEEP_EVERY === 0) await sweep(this.#observer)
    await empty(this.#observer)
    const {
      jobs,
      workers,
      recovery: recovers = [],
      scheduler: promotes = [],
      person: acts,
      time: passes,
      enqueuers,
    } = this.scenario
    this.stage = new Stage((actors) => this.#wait(actors))
    this.ledger = new Ledger()
    this.taken = []
    this.healing = -1
    this.unbound = false
    this.#memories.clear()
    this.#since = Math.max(this.#since, ...(this.#sight?.changes.map(({ n }) => n) ?? []))
    this.jobIds = jobs.map((_, index) => `00000000-0000-7000-8000-00000000000${index + 1}`)
    for (const [index, { maxAttempts = 5, keyed }] of jobs.entries()) {
      const id = this.jobIds[index]!
      await store(this.#observer, id, maxAttempts, keyed ? `key-${index}` : null)
      this.ledger.enqueued(id, maxAttempts)
      this.ledger.jobs.get(id)!.stored = true
    }
    await this.#lay(this.scenario)
    this.#workers = Object.entries(workers).map(([name, steps]) => new WorkerActor(this, name, steps))
    for (const worker of this.#workers) this.enter(worker.name, worker.script)
    this.enter('recovery', (name) => recovery(this, name, recovers))
    this.enter('scheduler', (name) => scheduler(this, name, promotes))
    if (passes) this.enter('time', (name) => time(this, name, passes.steps, passes.times))
    for (const one of enqueuers?.names ?? [])
      this.enter(one, (name) => enqueuer(this, name, enqueuers!.steps, enqueuers!.times))
    if (acts) this.enter('person', (name) => person(this, name, acts.acts, acts.times))
    await this.stage.still()
    this.#sight = await look(this.#observer, this.#since)
    this.unbound = true
    for (const step of this.scenario.opening ?? []) await this.step(step)
    this.unbound = false
  }

  /** The roads of all, each on a connection that outlives the walk. */
  async #lay({ workers, enqueuers }: Scenario): Promise<void> {
    const wanted = [
      ...Object.keys(workers).flatMap((name) =>
        ['claims', 'reports', 'spare', 'progress', 'late claim', 'late sync'].map(
          (purpose) => [name, purpose] as const,
        ),
      ),
      ['recovery', 'recovery'] as const,
      ['scheduler', 'scheduler'] as const,
      ['person', 'acts'] as const,
      ...(enqueuers?.names ?? []).map((name) => [name, 'enqueue'] as const),
    ]
    this.#roads.clear()
    this.#pids.clear()
    for (const [actor, purpose] of wanted) {
      const name = `${actor} ${purpose}`
      let connection = this.#connections.get(name)
      if (!connection) {
        connection = await connect(this.#options, 'walk')
        this.#connections.set(name, connection)
      }
      // Who waits at this road's gate is the actor himself, or what he has left behind.
      const own =
        purpose === 'late sync' ? `${actor}'s late sync` : purpose === 'progress' ? `${actor}'s progress` : actor
      this.#roads.set(name, new Road(own, this.stage, connection, this.#edits, () => this.#rows))
      if (!this.#pids.has(own)) this.#pids.set(own, new Set())
      this.#pids.get(own)!.add(connection.backendPid)
    }
  }

  #wait(actors: readonly string[]): Promise<boolean> {
    return allWait(this.#observer, actors, this.#pids)
  }

  /** One step by its name, then all invariants. @throws Violation */
  async step(named: string): Promise<void> {
    this.taken.push(named)
    await this.stage.act(offerOf(named))
    await this.check()
  }

  async check(): Promise<void> {
    this.#sight = await look(this.#observer, this.#since)
    const { failure } = this.stage
    if (failure !== undefined)
      throw failure instanceof Violation
        ? failure
        : new Violation(
            'error',
            failure instanceof Error ? (failure.stack ?? failure.message) : JSON.stringify(failure),
          )
    this.ledger.check(this.#sight)
  }

  /** What could be done now. */
  get offers(): string[] {
    return this.stage.offers().map(({ actor, step }) => `${actor}: ${step}`)
  }

  /** Two walks that have come to the same place go on alike. */
  get place(): string {
    return JSON.stringify([
      this.#rows,
      this.#workers.map(({ memory }) => memory.all),
      [...this.#memories],
      [...this.#roads.values()].map((road) => road.seen),
      this.stage.offers(),
      this.stage.waitingForLocks,
    ])
  }

  /** All that is committed, but for times. */
  get #rows(): string {
    if (!this.#sight) return ''
    const { jobs, finished, sessions, starts } = this.#sight
    const runs = (attempts: LiveRow['attempts']) => attempts?.map((run) => [run.token, run.outcome])
    return JSON.stringify([
      jobs.map((row) => [
        row.id,
        row.state,
        row.session_id,
        row.token,
        row.attempt,
        row.lease_no,
        row.lost,
        row.given_back,
        row.life_start,
        row.cancel_requested_at !== null,
        row.progress !== null,
        runs(row.attempts),
      ]),
      finished.map((row) => [row.id, row.state, row.token, row.session_id, row.attempt, row.lost, runs(row.attempts)]),
      sessions,
      starts,
    ])
  }

  /** What has not come to its end. */
  get unfinished(): readonly LiveRow[] {
    return this.#sight!.jobs
  }

  /** From here on everybody does what is due; a session that no worker keeps alive any more expires by itself. */
  async beginHealing(): Promise<void> {
    this.healing = this.taken.length
    this.unbound = true
    const kept = this.#workers.map(({ memory }) => memory.session).filter((session) => session !== undefined)
    await rawSql(this.#observer, `${EXPIRE} not id = any ($1::uuid[])`, [kept])
  }

  /** Sends everybody home. */
  async finish(): Promise<void> {
    if (!this.stage) return
    this.stage.abandon()
    for (let tries = 0; !this.stage.deserted; tries++) {
      if (tries > STUCK_TRIES) throw new Error('somebody does not go home')
      // What waits for a lock goes once those who hold it have.
      await Promise.all([...this.#roads.values()].map((road) => road.clear()))
      await new Promise((resolve) => setImmediate(resolve))
    }
    for (const road of this.#roads.values()) await road.clear()
  }

  async close(): Promise<void> {
    await this.finish()
    await Promise.all(
      [...this.#connections.values(), this.#observer, this.#keeper].map((connection) => connection.close()),
    )
  }
}

const EXPIRE = `update forgeq.sessions set expires_at = clock_timestamp() - interval '1 ms' where ended_at is null and expires_at > clock_timestamp() and`

async function store(db: Database, id: string, maxAttempts: number, key: string | null): Promise<void> {
  await rawSql(
    db,
    `insert into forgeq.jobs (id, queue, type, state, run_at, created_at, payload, max_attempts, idempotency_key)
     values ($1, 'default', 'test', 'pending', clock_timestamp(), clock_timestamp(), '{}', $2, $3)`,
    [id, maxAttempts, key],
  )
  if (key !== null)
    await rawSql(db, `insert into forgeq.idempotency_keys (key, job_id, meaning) values ($1, $2, 'm')`, [key, id])
}

export function offerOf(named: string): Offer {
  const at = named.indexOf(': ')
  return { actor: named.slice(0, at), step: named.slice(at + 2) }
}
