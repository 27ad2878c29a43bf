import type { Change, FinishedRow, LiveRow, SessionRow, Sight } from './observer.ts'

/** What a walk asserts after each step. */
export const INVARIANTS = {
  I1: 'every job is final at the end',
  I2: 'one idempotency key, one job',
  I4: 'nothing runs that was not enqueued',
  I5: 'the tokens of a job strictly grow',
  I6: "at most one token's completion takes effect",
  I7: 'nothing takes effect but for the lease that holds',
  I9: 'counted runs and losses stay within their limits, and each is counted once',
  I10: 'a final state never changes but by an explicit retry',
  I11: 'nothing starts before its time',
  I12: 'dead only after a failed or lost run',
  'one table': 'a job is in exactly one of the two tables',
  lease: 'a job has a lease if and only if it runs',
  'live session': 'only a live session leases, and nobody takes a job from one that knows of it',
  'no revival': 'a session that has ended or expired never lives again',
  answers: 'an accepted answer is true, and a refused one changed nothing',
  cancel: 'a job that was asked to end while it ran is not leased again',
  error: 'no statement fails',
} as const

export type Invariant = keyof typeof INVARIANTS

export class Violation extends Error {
  readonly invariant: Invariant
  constructor(invariant: Invariant, what: string) {
    super(`${invariant} (${INVARIANTS[invariant]}): ${what}`)
    this.invariant = invariant
  }
}

const breaks = (invariant: Invariant, what: string): never => {
  throw new Violation(invariant, what)
}

export interface LeaseKey {
  id: string
  token: number
  sessionId: string
}

/** What a statement was sent for; it stands beside the connection while the statement is under way. */
export type Sent =
  | { kind: 'outcome'; lease: LeaseKey; started: boolean }
  | { kind: 'progress'; lease: LeaseKey }
  | { kind: 'sync'; sessionId: string; knows(id: string, token: number): boolean }
  | { kind: 'claim'; sessionId: string; live: boolean; notes: number }
  | { kind: 'act' }

interface Answer {
  lease: LeaseKey
  accepted: boolean
  /** The store keeps no trace of a lease that ended unstarted: such a repeat may be refused. */
  mayForget: boolean
  /** The backend that it came from, and how many changes that one had made before. */
  pid: number
  before: number
}

interface JobRecord {
  maxAttempts: number
  stored: boolean
  deleted: boolean
  token: number
  counted: number
  lost: number
  lifeStart: number
  completions: number
  cancelAsked: boolean
  lease?: LeaseKey & { leaseNo: number }
  /** By lease: the state that its outcome left the job in. */
  effects: Map<string, string>
}

const keyOf = ({ id, token, sessionId }: LeaseKey): string => `${id} ${token} ${sessionId}`
const shown = ({ id, token, sessionId }: LeaseKey): string =>
  `token ${token} of ${id.slice(-2)} under session ${sessionId.slice(-3)}`

/** So many runs of one life may end with their worker. */
const MAX_LOST = 3
const MAX_SPARED = 3
const NOBODY = '00000000-0000-0000-0000-000000000000'

/** All that a walk knows for itself, and what it must hold the tables against. */
export class Ledger {
  readonly jobs = new Map<string, JobRecord>()
  /** By backend. */
  readonly sent = new Map<number, Sent>()
  readonly #answers: Answer[] = []
  readonly #acknowledged = new Set<string>()
  readonly #noted = new Map<string, number>()
  readonly #late = new Set<number>()
  #highest = 0
  /** Changes by backend, so that an answer can be held against what its statement did. */
  readonly changes = new Map<number, number>()

  enqueued(id: string, maxAttempts: number): void {
    this.jobs.set(id, {
      maxAttempts,
      stored: false,
      deleted: false,
      token: 0,
      counted: 0,
      lost: 0,
      lifeStart: 0,
      completions: 0,
      cancelAsked: false,
      effects: new Map(),
    })
  }

  /** A caller has been told that this job is stored. */
  acknowledged(id: string): void {
    this.#acknowledged.add(id)
  }

  answered(answer: Answer): void {
    this.#answers.push(answer)
  }

  /** Takes in what has been committed since the last look. @throws Violation */
  check(sight: Sight): void {
    const fresh = sight.changes.filter(({ n }) => n > this.#highest || this.#late.has(n))
    for (const change of fresh) {
      for (let n = this.#highest + 1; n < change.n; n++) this.#late.add(n)
      this.#late.delete(change.n)
      this.#highest = Math.max(this.#highest, change.n)
      this.changes.set(change.pid, (this.changes.get(change.pid) ?? 0) + 1)
    }
    for (const change of fresh) this.#take(change, sight.sessions)
    this.#rows(sight)
    for (const answer of this.#answers.splice(0)) this.#answer(answer)
  }

  #job(id: string): JobRecord {
    return this.jobs.get(id) ?? breaks('I4', `job ${id.slice(-2)} was never enqueued`)
  }

  #take(change: Change, sessions: readonly SessionRow[]): void {
    if (change.statement === null) return
    if (change.place === 'sessions') return this.#session(change)
    if (change.place === 'finished_jobs') return this.#finished(change as unknown as Change<FinishedRow>)
    this.#live(change as unknown as Change<LiveRow>, sessions)
  }

  #session({ statement, before, after, at }: Change): void {
    if (!before || !after) return
    const was = before as { ended_at: string | null; expires_at: string; id: string }
    const is = after as { ended_at: string | null; expires_at: string }
    const over = was.ended_at !== null || was.expires_at <= at
    if (over && (is.ended_at === null || is.expires_at > was.expires_at) && is.expires_at > was.expires_at)
      breaks('no revival', `${statement} renewed session ${was.id.slice(-3)}`)
    if (was.ended_at !== null && is.ended_at === null)
      breaks('no revival', `${statement} revived session ${was.id.slice(-3)}`)
  }

  #finished({ statement, before, after }: Change<FinishedRow>): void {
    if (before && after) breaks('I10', `${statement} changed a final job`)
    if (before && !after && statement !== 'revive_job' && statement !== 'delete_job')
      breaks('I10', `${statement} took a final job away`)
    if (before && statement === 'delete_job') this.#job(before.id).deleted = true
  }

  #live(change: Change<LiveRow>, sessions: readonly SessionRow[]): void {
    const { statement, before, after, pid } = change
    const job = this.#job((after ?? before)!.id)
    const sent = this.sent.get(pid)
    switch (statement) {
      case 'insert_jobs':
      case 'insert_plain_jobs':
      case 'insert_given_jobs':
        job.stored = true
        return
      case 'remove_fresh_jobs':
        job.deleted = true
        return
      case 'revive_job':
        Object.assign(job, { counted: 0, lost: 0, lifeStart: after!.attempt, completions: 0, cancelAsked: false })
        return
      case 'claim_jobs':
        return this.#claimed(job, change, sent)
      case 'complete_jobs':
      case 'finish_jobs':
      case 'finish_keyed_jobs':
      case 'requeue_jobs':
        return this.#outcome(job, change, sent)
      case 'recover_jobs':
        return this.#recovered(job, change, sessions)
      case 'sync_leases':
        return this.#synced(job, change, sent)
      case 'write_progress':
        if (sent?.kind === 'progress') this.#holds(before!, sent.lease, 'progress')
        return
      case 'request_cancel':
        job.cancelAsked = true
        return
      case 'promote_due_jobs':
      case 'run_job_now':
        if (before!.state !== 'retrying' && before!.state !== 'scheduled')
          breaks('I7', `${statement} took a job that was ${before!.state}`)
        if (statement === 'promote_due_jobs' && before!.run_at > change.at) breaks('I11', 'promoted before its time')
        return
      case 'cancel_waiting_job':
      case 'expire_jobs':
        if (before!.state === 'running') breaks('live session', `${statement} ended a job that runs`)
        return
      case 'delete_job':
        if (before!.state === 'running') breaks('live session', 'delete took a job that runs')
        job.deleted = true
        return
      default:
        breaks('I7', `${statement} is not known to change jobs`)
    }
  }

  #claimed(job: JobRecord, { before, after, at }: Change<LiveRow>, sent: Sent | undefined): void {
    const row = after!
    if (before!.state !== 'pending') breaks('I7', `a claim took a job that was ${before!.state}`)
    if (row.token <= job.token) breaks('I5', `a claim gave token ${row.token} after ${job.token}`)
    if (row.attempt > row.max_attempts) breaks('I9', `run ${row.attempt} of ${row.max_attempts}`)
    if (row.run_at > at) breaks('I11', 'leased before its time')
    if (job.cancelAsked) breaks('cancel', `token ${row.token} was leased`)
    if (sent?.kind !== 'claim') return breaks('error', 'a claim that nobody sent')
    if (!sent.live)
      breaks('live session', `session ${sent.sessionId.slice(-3)} leased although it was over when it asked`)
    job.token = row.token
    job.lease = { id: row.id, token: row.token, sessionId: row.session_id!, leaseNo: row.lease_no! }
    if (row.lease_no! <= sent.notes) this.noted(row.session_id!, row.lease_no!)
  }

  /** Whatever is sent in the name of a lease takes effect on that lease only. */
  #holds(before: LiveRow, lease: LeaseKey, what: string): void {
    if (before.state === 'running' && before.token === lease.token && before.session_id === lease.sessionId) return
    const holder =
      before.state === 'running'
        ? shown({ id: before.id, token: before.token, sessionId: before.session_id! })
        : before.state
    breaks('I7', `${what} for ${shown(lease)} took effect on ${holder}`)
  }

  #outcome(job: JobRecord, { statement, before, after }: Change<LiveRow>, sent: Sent | undefined): void {
    if (sent?.kind !== 'outcome') return breaks('error', 'an outcome that nobody sent')
    this.#holds(before!, sent.lease, `an outcome (${statement})`)
    const state = after?.state ?? 'final'
    job.effects.set(keyOf(sent.lease), state)
    delete job.lease
    if (after ? after.attempt === before!.attempt : statement !== 'requeue_jobs') job.counted++
    if (after) return
    if ((statement === 'complete_jobs' || statement === 'finish_keyed_jobs') && ++job.completions > 1)
      breaks('I6', `${shown(sent.lease)} is the second`)
  }

  #recovered(job: JobRecord, { before, after }: Change<LiveRow>, sessions: readonly SessionRow[]): void {
    const holder = sessions.find(({ id }) => id === before!.session_id)
    if (before!.state !== 'running') breaks('I7', `recovery took a job that was ${before!.state}`)
    if (holder && !holder.ended && !holder.expired)
      breaks('live session', `recovery took ${shown({ ...before!, sessionId: holder.id })}`)
    // Of one that ends the history tells what was counted.
    if (after) this.#lost(job, before!, after)
    delete job.lease
  }

  #lost(job: JobRecord, before: LiveRow, after: Pick<LiveRow, 'lost' | 'given_back'>): void {
    const counted = after.lost > before.lost
    const noted = job.lease && job.lease.leaseNo <= (this.#noted.get(job.lease.sessionId) ?? 0)
    // One that was lost before and was started in a process of its own is spared, a few times.
    const spared = before.lost > 0 && after.given_back > before.given_back && before.given_back < MAX_SPARED
    if (before.session_id !== NOBODY && noted !== undefined && noted !== counted && !spared)
      breaks(
        'I9',
        noted ? 'a run that may have started was lost uncounted' : 'a job that lay in a buffer was counted as lost',
      )
    if (!counted) return
    job.counted++
    job.lost++
    if (job.lost > MAX_LOST) breaks('I9', `${job.lost} losses of one life`)
  }

  #synced(job: JobRecord, { before, after }: Change<LiveRow>, sent: Sent | undefined): void {
    if (sent?.kind !== 'sync') return breaks('error', 'a sync that nobody sent')
    if (before!.session_id !== sent.sessionId) breaks('live session', "sync took another session's job")
    if (sent.knows(before!.id, before!.token))
      breaks('live session', `sync took token ${before!.token}, which its worker knows`)
    if (after?.state === 'pending') delete job.lease
  }

  /** The worker may have started its leases up to this one. */
  noted(sessionId: string, upto: number): void {
    this.#noted.set(sessionId, Math.max(upto, this.#noted.get(sessionId) ?? 0))
  }

  #rows({ jobs, finished, keys }: Sight): void {
    for (const [id, job] of this.jobs) {
      const live = jobs.find((row) => row.id === id)
      const ends = finished.filter((row) => row.id === id)
      const places = (live ? 1 : 0) + ends.length
      if (places > (job.deleted ? 0 : 1)) breaks('one table', `${id.slice(-2)} lies in ${places} places`)
      if (places === 0 && job.stored && !job.deleted) breaks('one table', `${id.slice(-2)} is gone`)
      if (live) this.#row(job, live)
      if (ends[0]) this.#end(job, ends[0])
    }
    for (const { id } of [...jobs, ...finished]) this.#job(id)
    for (const id of this.#acknowledged)
      if (!this.#job(id).stored) breaks('I1', `${id.slice(-2)} was acknowledged and is not stored`)
    for (const { key, job_id } of keys) {
      const holders = [...jobs, ...finished].filter((row) => row.idempotency_key === key)
      if (holders.length > 1 || holders.some(({ id }) => id !== job_id))
        breaks('I2', `${holders.length} jobs have the key ${key}`)
    }
  }

  #row(job: JobRecord, row: LiveRow): void {
    if (row.token !== job.token) breaks('I5', `token ${row.token}, last leased with ${job.token}`)
    const runs = row.state === 'running'
    if (runs !== (row.session_id !== null)) breaks('lease', `${row.state} under ${row.session_id}`)
    this.#counts(job, row, runs ? 1 : 0)
  }

  #end(job: JobRecord, row: FinishedRow): void {
    if (row.token !== job.token) breaks('I5', `ended with token ${row.token}, last leased with ${job.token}`)
    if (row.state === 'dead' && row.reason !== 'lost' && row.session_id === null && row.lost === 0)
      breaks('I12', `dead: ${row.reason}`)
    if (row.lost > MAX_LOST) breaks('I9', `${row.lost} losses of one life`)
    if (row.attempt > row.max_attempts) breaks('I9', `run ${row.attempt} of ${row.max_attempts}`)
  }

  #counts(job: JobRecord, row: LiveRow, running: number): void {
    const counted = row.attempt - row.life_start
    if (row.life_start !== job.lifeStart || counted !== job.counted + running)
      breaks(
        'I9',
        `${counted} runs since ${row.life_start} are counted, ${job.counted + running} since ${job.lifeStart} were`,
      )
    if (row.lost !== job.lost) breaks('I9', `${row.lost} losses are counted, ${job.lost} were`)
    const tokens = (row.attempts ?? []).map((run) => run.token)
    if (tokens.some((token, index) => index > 0 && token <= tokens[index - 1]!))
      breaks('I5', `runs with tokens ${tokens.join(', ')}`)
  }

  #answer({ lease, accepted, mayForget, pid, before }: Answer): void {
    const changes = (this.changes.get(pid) ?? 0) - before
    const job = this.jobs.get(lease.id)
    const effect = job?.effects.has(keyOf(lease)) ?? false
    if (accepted && !effect) breaks('answers', `${shown(lease)} was accepted and did nothing`)
    if (!accepted && changes > 0) breaks('answers', `${shown(lease)} was refused and changed something`)
    if (!accepted && effect && !mayForget) breaks('answers', `${shown(lease)} was accepted once and is refused now`)
  }
}
