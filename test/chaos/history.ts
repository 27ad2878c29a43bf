import type { JobView } from '../../src/wire/jobs.ts'

/**
 * What a run of the harness leaves behind: one JSON line an event, in an append-only file a process, merged by `at`.
 * The checker reads nothing else.
 */
export type HistoryEvent = {
  /** Milliseconds of CLOCK_MONOTONIC, which all processes of a machine share: `Number(process.hrtime.bigint()) / 1e6`. */
  at: number
  /** The process that saw it, for example `enqueuer-1`. */
  by: string
} & Happening

export type Happening =
  | Clock
  | EnqueueSent
  | EnqueueAnswered
  | ActSent
  | ActAnswered
  | RunStarted
  | RunEnded
  | RefusedOutcome
  | Probe
  | Sampled
  | Overdue
  | FaultStarted
  | FaultEnded
  | Killed
  | Healed
  | Exported
  | EffectStored

/** Ties the monotonic clock to the machine's wall clock, which the database keeps too. Written by the runner, whose clock is sound. */
export interface Clock {
  kind: 'clock'
  wallMs: number
}

/** What the handler of a job is to do; it travels as the payload's `work`. */
export interface Work {
  do: 'return' | 'fail' | 'sleep' | 'block' | 'hostile'
  /** `fail`: throws in the first so many runs of the job. */
  times?: number
  /** `sleep` (awaits) and `block` (holds the event loop): milliseconds. */
  ms?: number
  /** Completes through its own transaction, with one row in the table of effects. */
  tx?: boolean
}

/** Written before the request leaves. A repeat of an unknown one is a call of its own with the same `key` or `id`. */
export interface EnqueueSent {
  kind: 'enqueue_sent'
  call: string
  via: 'http' | 'library' | 'cli'
  /** One for each job of the call; a bulk has several. */
  jobs: {
    key?: string
    id?: string
    /** Names the wish, the same in every repeat of it, and stands in the payload under the same name. */
    label?: string
    runAt?: string
    delayMs?: number
    maxAttempts: number
    work: Work
  }[]
}

export interface EnqueueAnswered {
  kind: 'enqueue_answered'
  call: string
  /** `refused`: a definite no (4xx), nothing may exist. `unknown`: no answer, a time-out, a 5xx, `unavailable`. */
  answer: 'acknowledged' | 'refused' | 'unknown'
  /** Of an acknowledged call, in the order sent. */
  jobs?: { id: string; created: boolean }[]
  code?: string
}

/** A person's act on one job. */
export interface ActSent {
  kind: 'act_sent'
  call: string
  act: 'cancel' | 'retry' | 'run'
  job: string
}

export interface ActAnswered {
  kind: 'act_answered'
  call: string
  act: ActSent['act']
  job: string
  answer: 'done' | 'refused' | 'unknown'
}

/** The handler's first line, before any effect. */
export interface RunStarted {
  kind: 'run_started'
  job: string
  token: number
  attempt: number
  worker: string
  pid: number
}

/** The handler's last line: what it comes to is sent after this. */
export interface RunEnded {
  kind: 'run_ended'
  job: string
  token: number
  how: 'returned' | 'threw' | 'completed_tx' | 'rolled_back' | 'unknown_tx'
}

/** A worker's log said that an outcome was refused because the lease was lost. */
export interface RefusedOutcome {
  kind: 'refused_outcome'
  job: string
  token: number
}

/** Whether the database answered a plain statement on a connection of the observer's own, several times a second. */
export interface Probe {
  kind: 'probe'
  ok: boolean
  /** The database's clock when it answered, milliseconds since 1970. */
  databaseMs?: number
}

/** A job as it was read at random while the faults went on. */
export interface Sampled {
  kind: 'sampled'
  job: JobView
}

/**
 * A look at the running jobs whose session had ended or expired `ms` ago by the database's clock, or has never been;
 * counted from when somebody else was last seen to hold the row, if that is later. None of them is a look, too.
 */
export interface Overdue {
  kind: 'overdue'
  jobs: { job: string; token: number; ms: number }[]
}

export interface FaultStarted {
  kind: 'fault_started'
  n: number
  fault: string
  target?: string
  /** The product cannot do its work with the database while it lasts, although a probe is answered. */
  hinders?: boolean
  /** The machine cannot make it: told, and nothing happens. */
  skipped?: string
}

export interface FaultEnded {
  kind: 'fault_ended'
  n: number
  /** It did not come about as it should: what the harness could not do. */
  failed?: string
}

/** A process was killed by SIGKILL; `busy`: jobs whose handlers ran in it. */
export interface Killed {
  kind: 'killed'
  pid: number
  what: 'worker' | 'server' | 'postgres'
  worker?: string
  busy: string[]
}

/** The last fault is over, everything runs again: from here everything acknowledged has its time to become final. */
export interface Healed {
  kind: 'healed'
}

/** A job as it stands at the end; every job there is has one. */
export interface Exported {
  kind: 'exported'
  job: JobView
}

/** A row of the table of effects at the end. */
export interface EffectStored {
  kind: 'effect_stored'
  job: string
  token: number
}
