import { claimJobs, noteStarts } from '../../src/store/leases.ts'
import { acceptedBefore } from '../../src/store/outcomes.ts'
import { writeProgress } from '../../src/store/progress.ts'
import { syncLeases } from '../../src/store/recovery.ts'
import { endSession, heartbeat, registerSession } from '../../src/store/sessions.ts'
import type { LeaseKey } from './ledger.ts'
import { type Known, type Report, send, statementOf } from './reports.ts'
import type { Road } from './road.ts'
import type { WorkerStep } from './worker-steps.ts'
import type { World } from './world.ts'

const LEASE_MS = 3_600_000
const FOREVER_UPTO = 1_000
const LANES = [{ queue: 'default', type: 'test', priority: 0, after: null }]
const MAX_GIVEN_BACK = 3
/** A worker in slow motion: what the product's worker does with the store, one statement a step, in any order that it could. */
export class WorkerActor {
  readonly name: string
  readonly #world: World
  readonly #may: ReadonlySet<WorkerStep>
  readonly #claims: Road
  readonly #reports: Road
  readonly #spare: Road
  /** What a crash forgets is everything here but the numbers. */
  session: string | undefined
  #sessions = 0
  #numbered = 0
  #known: Known[] = []
  #unsettled: Report[] = []
  #sent: Report[] = []
  #claiming = false
  #syncDue = false
  #life = 0
  #lateSync = false
  #lateClaim = false
  #echoes = 0
  #progresses = 0
  #crashes = 0

  constructor(world: World, name: string, may: readonly WorkerStep[]) {
    this.name = name
    this.#world = world
    this.#may = new Set(may)
    this.#claims = world.road(name, 'claims')
    this.#reports = world.road(name, 'reports')
    this.#spare = world.road(name, 'spare')
  }

  /** All that decides what it does next. */
  get memory(): unknown {
    const leases = (list: readonly Known[]) =>
      list.map(({ id, token, sessionId, started, unwanted }) => [id, token, sessionId, started, unwanted])
    return [
      this.session,
      this.#numbered,
      leases(this.#known),
      this.#unsettled.map(({ lease, outcome }) => [lease.id, lease.token, lease.sessionId, outcome]),
      this.#sent.map(({ lease, outcome }) => [lease.id, lease.token, lease.sessionId, outcome]),
      this.#claiming,
      this.#syncDue,
      this.#lateSync,
      this.#lateClaim,
      this.#echoes,
      this.#progresses,
      this.#crashes,
    ]
  }

  readonly script = async (): Promise<void> => {
    for (;;) {
      const [step, lease] = (await this.#world.stage.pass(this.name, () => this.#steps())).split(' @') as [
        WorkerStep,
        string | undefined,
      ]
      await this.#take(step, lease)
    }
  }

  #steps(): string[] {
    const steps: string[] = []
    const may = (name: WorkerStep) => this.#world.unbound || this.#may.has(name)
    const offer = (possible: boolean, ...names: WorkerStep[]) => {
      if (possible) steps.push(...names.filter(may))
    }
    const each = <T>(list: readonly T[], leaseOf: (one: T) => Known, ...names: WorkerStep[]) => {
      for (const one of list) {
        const { id, token } = leaseOf(one)
        steps.push(...names.filter(may).map((name) => `${name} @${id.slice(-2)}.${token}`))
      }
    }
    const { session } = this
    const free = !this.#claiming
    offer(session === undefined, 'register')
    offer(session !== undefined && free && !this.#syncDue, 'claim', 'claim ahead', 'claim, answer lost', 'claim, held')
    offer(session !== undefined && free && !this.#syncDue && !this.#lateClaim, 'claim, commits late')
    offer(
      this.#known.some(({ started, unwanted, sessionId }) => !started && !unwanted && sessionId === session),
      'note',
    )
    const running = this.#known.filter(({ started, unwanted }) => started && !unwanted)
    const self = (lease: Known) => lease
    each(
      running,
      self,
      'complete',
      'complete, answer lost',
      'complete, held',
      'complete, never arrives',
      'fail',
      'fail, answer lost',
      'fail, held',
      'fail, never arrives',
      'snooze',
    )
    if (this.#progresses < 1) each(running, self, 'progress')
    each(this.#known, self, 'release', 'release, answer lost')
    each(this.#unsettled, ({ lease }) => lease, 'repeat')
    if (this.#echoes < 1) each(this.#sent, ({ lease }) => lease, 'echo')
    offer(session !== undefined, 'heartbeat', 'distrust')
    offer(this.#crashes < 1 && this.#sessions > 0, 'crash')
    offer(session !== undefined && free, 'sync', 'sync, answer lost')
    offer(session !== undefined && free && !this.#lateSync, 'sync, arrives late')
    return steps
  }

  async #take(step: WorkerStep, named: string | undefined): Promise<void> {
    const is = ({ id, token }: LeaseKey) => `${id.slice(-2)}.${token}` === named
    const [what, how] = step.split(', ') as [string, string | undefined]
    switch (what) {
      case 'register':
        return this.#register()
      case 'claim':
        return this.#claim(how, 1)
      case 'claim ahead':
        return this.#claim(how, 0)
      case 'note':
        return this.#note()
      case 'complete':
      case 'fail':
      case 'snooze':
      case 'release': {
        const lease = this.#known.find(is)!
        this.#known = this.#known.filter((one) => one !== lease)
        const report: Report = { lease, outcome: what, unknown: false }
        this.#unsettled.push(report)
        this.#sent.push(report)
        return this.#report(report, how)
      }
      case 'repeat':
        return this.#report(
          this.#unsettled.find(({ lease }) => is(lease))!,
          undefined,
        )
      case 'echo':
        return this.#echo(this.#sent.find(({ lease }) => is(lease))!)
      case 'progress':
        return this.#progress(this.#known.find(is)!)
      case 'heartbeat':
        return this.#heartbeat()
      case 'distrust':
        return this.#distrust()
      case 'crash':
        return this.#crash()
      default:
        return this.#sync(how)
    }
  }

  async #register(): Promise<void> {
    const id = this.#world.sessionId(this.name, ++this.#sessions)
    await registerSession(
      this.#reports.ticket(),
      { id, name: this.name, host: 'h', pid: 1, version: 'test', queues: [], types: ['test'], concurrency: 10 },
      LEASE_MS,
    )
    this.session = id
    this.#numbered = 0
    this.#syncDue = false
  }

  async #claim(how: string | undefined, startable: number): Promise<void> {
    const sessionId = this.session!
    const { limit } = this.#world
    const nextLeaseNo = this.#numbered + 1
    this.#numbered += limit
    const road = how === 'commits late' ? this.#world.road(this.name, 'late claim') : this.#claims
    const ask = async () => {
      this.#world.sends(road, {
        kind: 'claim',
        sessionId,
        live: this.#world.lives(sessionId),
        notes: nextLeaseNo - 1 + startable * limit,
      })
      return claimJobs(road.ticket(), { sessionId, lanes: LANES, limit, nextLeaseNo, startable: startable * limit })
    }
    const receive = (jobs: Awaited<ReturnType<typeof ask>>) => {
      if (this.session === sessionId) this.#numbered = jobs.at(-1)?.leaseNo ?? nextLeaseNo - 1
      this.#know(jobs, sessionId, startable > 0)
    }
    if (how === 'answer lost') {
      await ask()
      this.#syncDue = true
      return
    }
    if (how === 'held') {
      await this.#world.hold(this.name, road, 'claim_jobs')
      receive(await ask())
      return
    }
    if (how === undefined) {
      receive(await ask())
      return
    }
    await road.begin()
    const jobs = await ask()
    const life = this.#life
    this.#claiming = true
    this.#lateClaim = true
    this.#world.enter(`${this.name}'s claim`, async (own) => {
      const ways = this.#world.failover
        ? ['commit', 'commit, answer lost', 'fail', 'answer, then be undone']
        : ['commit', 'commit, answer lost', 'fail']
      const way = await this.#world.stage.pass(own, ways)
      const mine = () => life === this.#life
      if (way === 'answer, then be undone') {
        if (mine()) receive(jobs)
        await road.end('rollback')
      } else {
        await road.end(way === 'fail' ? 'rollback' : 'commit')
        if (mine() && way === 'commit') receive(jobs)
        else if (mine() && this.session === sessionId) this.#syncDue = true
      }
      if (mine()) this.#claiming = false
      this.#lateClaim = false
    })
  }

  #know(
    jobs: readonly {
      id: string
      token: number
      leaseNo: number
      keyed: boolean
      attempt: number
      maxAttempts: number
    }[],
    sessionId: string,
    startable: boolean,
  ): void {
    for (const { id, token, leaseNo, keyed, attempt, maxAttempts } of jobs) {
      const unwanted = this.#known.some((one) => one.id === id && one.started)
      const started = startable && !unwanted && this.session === sessionId
      this.#known.push({ id, token, leaseNo, keyed, attempt, maxAttempts, sessionId, started, unwanted })
    }
  }

  async #note(): Promise<void> {
    const sessionId = this.session!
    const waiting = this.#known.filter((lease) => !lease.started && !lease.unwanted && lease.sessionId === sessionId)
    const upto = Math.max(...waiting.map(({ leaseNo }) => leaseNo))
    const alive = await noteStarts(this.#reports.ticket(), { sessionId, queue: 'default', upto })
    if (!alive) return this.#lose(sessionId)
    this.#world.ledger.noted(sessionId, upto)
    if (this.session === sessionId) for (const lease of waiting) if (this.#known.includes(lease)) lease.started = true
  }

  #lose(sessionId: string): void {
    if (this.session === sessionId) this.session = undefined
  }

  async #report(report: Report, how: string | undefined): Promise<void> {
    const { lease } = report
    const repeated = report.unknown
    const road = this.#reports
    if (how === 'never arrives') {
      report.unknown = true
      return
    }
    if (how === 'held') await this.#world.hold(this.name, road, statementOf(report))
    const before = this.#world.ledger.changes.get(road.pid) ?? 0
    const accepted = await send(this.#world, road, this.name, report)
    if (how === 'answer lost') {
      report.unknown = true
      return
    }
    const earlier = accepted || !repeated ? false : (await acceptedBefore(road, lease.sessionId, [lease])).has(lease.id)
    this.#unsettled = this.#unsettled.filter((one) => one !== report)
    this.#world.ledger.answered({
      lease,
      accepted: accepted || earlier,
      mayForget: this.#mayForget(report),
      pid: road.pid,
      before,
    })
  }

  /** One that never started leaves no trace of itself, nor does anything of a job that was deleted; undone leases have one number. */
  #mayForget({ lease, outcome }: Report): boolean {
    return (
      this.#world.failover ||
      (outcome === 'release' && !lease.started) ||
      this.#world.ledger.jobs.get(lease.id)?.deleted === true
    )
  }

  /** A statement that was thought lost, and repeated, arrives after all; nobody reads its answer. */
  async #echo(report: Report): Promise<void> {
    this.#echoes++
    await send(this.#world, this.#spare, this.name, report)
  }

  async #progress({ id, token, sessionId }: Known): Promise<void> {
    this.#progresses++
    const road = this.#world.road(this.name, 'progress')
    // It goes out beside the outcomes: whatever the worker does meanwhile, it may arrive later.
    this.#world.enter(`${this.name}'s progress`, async (own) => {
      await this.#world.stage.pass(own, ['arrive'])
      this.#world.sends(road, { kind: 'progress', lease: { id, token, sessionId } })
      await writeProgress(road.ticket(), sessionId, [{ id, token, value: 0.5 }])
    })
  }

  async #heartbeat(): Promise<void> {
    const sessionId = this.session!
    const { alive, cancel } = await heartbeat(this.#reports.ticket(), {
      sessionId,
      leaseMs: LEASE_MS,
      status: 'active',
    })
    if (!alive) this.#lose(sessionId)
    for (const { id, token } of cancel) {
      const lease = this.#known.find((one) => one.id === id && one.token === token)
      if (lease && !lease.started) lease.unwanted = true
    }
  }

  async #distrust(): Promise<void> {
    const sessionId = this.session!
    this.#lose(sessionId)
    await endSession(this.#reports.ticket(), { sessionId, reason: 'lost by its worker' })
  }

  async #crash(): Promise<void> {
    this.#crashes++
    this.#life++
    this.session = undefined
    this.#known = []
    this.#unsettled = []
    this.#claiming = false
    this.#syncDue = false
  }

  async #sync(how: string | undefined): Promise<void> {
    const sessionId = this.session!
    const known = [...this.#known, ...this.#unsettled.map(({ lease }) => lease)].map(({ id, token }) => ({ id, token }))
    const told = this.#world.mistakes.syncForgets ? known.slice(0, this.#known.length) : known
    const numbered = this.#numbered
    const ask = {
      sessionId,
      upto: this.#world.mistakes.syncIgnoresUpto ? FOREVER_UPTO : numbered,
      known: told,
      maxGivenBack: MAX_GIVEN_BACK,
    }
    const send = (road: Road) => {
      // What the worker knows by the time the statement takes effect counts.
      const knows = (id: string, token: number) =>
        [...this.#known, ...this.#unsettled.map(({ lease }) => lease)].some(
          (lease) => lease.id === id && lease.token === token && lease.sessionId === sessionId,
        )
      this.#world.sends(road, { kind: 'sync', sessionId, knows })
      return syncLeases(road.ticket(), ask)
    }
    if (how === 'arrives late') {
      // The worker has given its answer up and goes on; the statement is somewhere before its locks.
      this.#lateSync = true
      const road = this.#world.road(this.name, 'late sync')
      this.#world.enter(`${this.name}'s late sync`, async (own) => {
        await this.#world.hold(own, road, 'sync_leases')
        await send(road)
        this.#lateSync = false
      })
      return
    }
    const { cancelling } = await send(this.#claims)
    if (how === 'answer lost') return
    this.#syncDue = false
    for (const { id, token } of cancelling)
      this.#known.push({
        id,
        token,
        sessionId,
        leaseNo: 0,
        started: false,
        keyed: false,
        attempt: 1,
        maxAttempts: 1,
        unwanted: true,
      })
  }
}
