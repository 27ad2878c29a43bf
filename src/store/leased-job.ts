import type { Backoff } from '../job/backoff.ts'

/** A place where pending jobs lie in order: one queue, one type, one priority. */
export interface Lane {
  queue: string
  type: string
  priority: number
}

/** Where a dispatcher last found something in a lane. */
export interface Position {
  /** Microseconds since 1970. */
  runAtUs: number
  seq: number
}

export interface LeasedJob {
  id: string
  type: string
  queue: string
  priority: number
  payloadJson: string
  attempt: number
  maxAttempts: number
  lifeStart: number
  token: number
  leaseNo: number
  /** Microseconds since 1970. */
  createdAtUs: number
  /** Of the last one of a full claim's lane at least; a dispatcher needs no more. */
  position: Position | null
  /** From due to leased, by the database's clock. */
  waitedMs: number
  lost: number
  tags: string[]
  keyed: boolean
  timeoutMs?: number
  backoff?: Backoff
  traceparent?: string
}

/** In the order of the columns. What most jobs have in common is null: what is not sent is neither printed nor read. */
export type LeasedRow = [
  id: string,
  payload: string,
  leaseNo: number,
  /** Seconds, exact to the microsecond: cheaper to print and to read than a time. */
  runAt: number,
  /** Its place among the lanes of the claim; null with one lane. */
  lane: number | null,
  seq: number | null,
  /** Null for 1. */
  attempt: number | null,
  /** Null for 1. */
  token: number | null,
  /** Null for the same as `runAt`. */
  createdAt: number | null,
  /** Only with the first: one clock for all of a claim. */
  startedAt: number | null,
  /** JSON of what most jobs do not have; null where a job has none of it. */
  rare: string | null,
]

interface Rare {
  max_attempts: number
  life_start: number
  lost: number
  tags: string[]
  keyed: boolean
  timeout_ms: number | null
  backoff: Backoff | null
  traceparent: string | null
}

/** What a job has when nothing else was asked for. */
export const USUAL_ATTEMPTS = 25

/** A job as its claim answered it; `claimedAt`: when, in seconds by the database's clock. */
export function leasedFromRow(row: LeasedRow, { queue, type, priority }: Lane, claimedAt: number): LeasedJob {
  const [id, payloadJson, leaseNo, runAt, , seq, attempt, token, createdAt, , rare] = row
  const job: LeasedJob = {
    id,
    type,
    queue,
    priority,
    payloadJson,
    attempt: attempt ?? 1,
    maxAttempts: USUAL_ATTEMPTS,
    lifeStart: 0,
    token: token ?? 1,
    leaseNo,
    createdAtUs: Math.round((createdAt ?? runAt) * 1e6),
    position: seq === null ? null : { runAtUs: Math.round(runAt * 1e6), seq },
    waitedMs: Math.max(0, (claimedAt - runAt) * 1000),
    lost: 0,
    tags: [], // one each: a handler may do with it as it likes
    keyed: false,
  }
  return rare === null ? job : withRare(job, JSON.parse(rare) as Rare)
}

function withRare(job: LeasedJob, rare: Rare): LeasedJob {
  const { max_attempts: maxAttempts, life_start: lifeStart, lost, tags, keyed } = rare
  const { timeout_ms: timeoutMs, backoff, traceparent } = rare
  return {
    ...job,
    maxAttempts,
    lifeStart,
    lost,
    tags,
    keyed,
    ...(timeoutMs !== null && { timeoutMs }),
    ...(backoff !== null && { backoff }),
    ...(traceparent !== null && { traceparent }),
  }
}
