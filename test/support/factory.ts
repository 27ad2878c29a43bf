import { uuidv7 } from 'uuidv7'
import { DEFAULTS } from '../../src/config.ts'
import type { Job, NewJob } from '../../src/job/job.ts'
import type { JobState } from '../../src/job/state.ts'
import type { Database } from '../../src/store/database.ts'
import { keepingOf } from '../../src/queue/create.ts'
import { readJob } from '../../src/store/jobs.ts'
import { type FinishedOutcome, finishKeyedJobs } from '../../src/store/outcomes.ts'
import { rawSql } from './database.ts'

/** A checked job as an enqueue asks for it. */
export const newJob = (fields: Partial<NewJob> = {}): NewJob => ({
  type: 'test',
  queue: 'default',
  payloadJson: '{}',
  priority: 0,
  maxAttempts: 25,
  tags: [],
  ...fields,
})

export interface SessionFields {
  id?: string
  name?: string
  queues?: string[]
  types?: string[]
  /** Negative: it expired so long ago. */
  expiresInMs?: number
  ended?: string
  endedMsAgo?: number
  /** Up to which lease of the queue `default` it may have started. */
  startedUpto?: number
}

/** A worker's session in any condition. Returns its id. */
export async function insertSession(db: Database, fields: SessionFields = {}): Promise<string> {
  const {
    id = uuidv7(),
    name = 'w',
    queues = [],
    types = ['test'],
    expiresInMs = 15_000,
    ended,
    endedMsAgo = 0,
    startedUpto,
  } = fields
  await rawSql(
    db,
    `insert into forgeq.sessions (id, name, host, pid, version, queues, types, concurrency, expires_at, ended_at, end_reason)
     values ($1, $2, 'h', 1, 'test', $3, $4, 10, clock_timestamp() + $5 * interval '1 ms',
             case when $6::text is not null then clock_timestamp() - $7 * interval '1 ms' end, $6)`,
    [id, name, queues, types, expiresInMs, ended ?? null, endedMsAgo],
  )
  if (startedUpto !== undefined) {
    await rawSql(db, `insert into forgeq.session_starts (session_id, queue, upto) values ($1, 'default', $2)`, [
      id,
      startedUpto,
    ])
  }
  return id
}

export interface JobFields {
  id?: string
  queue?: string
  type?: string
  /** Live states only; finish a job by the product's own statements. */
  state?: Exclude<JobState, 'completed' | 'dead' | 'cancelled'>
  priority?: number
  /** Due so long from now; negative: so long ago. */
  dueInMs?: number
  expiresInMs?: number
  payload?: unknown
  attempt?: number
  maxAttempts?: number
  lifeStart?: number
  lost?: number
  token?: number
  givenBack?: number
  /** Started in its worker's own process although it was lost before. */
  quarantined?: boolean
  session?: string
  leaseNo?: number
  key?: string
  cancelRequested?: boolean
  tags?: string[]
}

/** A live job in any state. Returns its id. */
export async function insertJob(db: Database, fields: JobFields = {}): Promise<string> {
  const {
    id = uuidv7(),
    queue = 'default',
    type = 'test',
    state = 'pending',
    priority = 0,
    dueInMs = 0,
    expiresInMs,
  } = fields
  const running = state === 'running'
  const {
    payload = {},
    attempt = running ? 1 : 0,
    maxAttempts = 25,
    lifeStart = 0,
    lost = 0,
    givenBack = 0,
    tags = [],
  } = fields
  const {
    token = attempt,
    session = running ? uuidv7() : undefined,
    leaseNo = running ? 1 : undefined,
    key,
    cancelRequested = false,
    quarantined = false,
  } = fields
  await rawSql(
    db,
    `insert into forgeq.jobs (id, queue, type, state, priority, run_at, created_at, expires_at, payload, attempt, max_attempts, life_start, lost,
            given_back, token, session_id, lease_no, started_at, tags, idempotency_key, cancel_requested_at, quarantine_token)
     values ($1, $2, $3, $4, $5, clock_timestamp() + $6 * interval '1 ms', clock_timestamp(), clock_timestamp() + $7 * interval '1 ms', $8, $9, $10,
            $11, $12, $13, $14, $15, $16, case when $15::uuid is not null then clock_timestamp() end, $17, $18,
            case when $19 then clock_timestamp() end, case when $20 then $14::bigint end)`,
    [
      id,
      queue,
      type,
      state,
      priority,
      dueInMs,
      expiresInMs ?? null,
      JSON.stringify(payload),
      attempt,
      maxAttempts,
      lifeStart,
      lost,
      givenBack,
      token,
      session ?? null,
      leaseNo ?? null,
      tags,
      key ?? null,
      cancelRequested,
      quarantined,
    ],
  )
  return id
}

/** The job with every run; fails the test when there is none. */
export async function jobOf(db: Database, id: string): Promise<Job> {
  const job = await readJob(db, id)
  if (!job) throw new Error(`there is no job ${id}`)
  return job
}

/** Leases a waiting job to a session, as a claim does. Returns the token of the lease. */
export async function leaseJob(db: Database, id: string, session: string, leaseNo = 1): Promise<number> {
  const [row] = await rawSql<{ token: number }>(
    db,
    `update forgeq.jobs
        set state = 'running', attempt = attempt + 1, token = token + 1, session_id = $2, lease_no = $3, started_at = clock_timestamp()
      where id = $1 and state <> 'running'
     returning token`,
    [id, session, leaseNo],
  )
  if (!row) throw new Error(`there is no waiting job ${id}`)
  return row.token
}

/** Runs a waiting job under a session of its own to its end. */
export async function finishJob(
  db: Database,
  id: string,
  outcome: Omit<FinishedOutcome, 'id' | 'token'> = { state: 'completed' },
): Promise<void> {
  const sessionId = await insertSession(db)
  const token = await leaseJob(db, id, sessionId)
  const keeping = keepingOf(DEFAULTS)
  const reporter = { sessionId, worker: { id: sessionId, name: 'w', host: 'h', pid: 1 } }
  const accepted = await finishKeyedJobs(db, reporter, [{ id, token, ranMs: 1, ...outcome }], keeping)
  if (accepted.size !== 1) throw new Error(`the end of job ${id} was not accepted`)
}
