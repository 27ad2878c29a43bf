import type { EnqueueAnswered, Happening, HistoryEvent, RunEnded, Work } from '../history.ts'
import type { Limits } from './verdict.ts'
import type { Attempt, JobView } from './views.ts'

/** What stories are judged by. */
export const LIMITS: Limits = {
  leaseMs: 1_000,
  recoveryMs: 500,
  passMs: 200,
  longestBackoffMs: 2_000,
  maxLost: 3,
  slots: 3,
}

export const TX = { do: 'return', tx: true } as const
export const FAILS = { do: 'fail', times: 3 } as const
export const error = (message: string, code?: string) => ({
  name: 'Error',
  message,
  fingerprint: 'f',
  ...(code && { code }),
})
export const LOST = error('lease expired: worker worker-1', 'lease_expired')
export const PROCESS_LOST = {
  ...error('the process of its handler was ended by SIGKILL', 'SIGKILL'),
  name: 'ProcessLost',
}

/** A history told in a few lines: each event comes 10 ms after the one before. */
export class Story {
  readonly events: HistoryEvent[] = []
  #at = 1_000
  #calls = 0
  readonly #began = new Map<string, number>()
  readonly #ended = new Map<string, number>()

  constructor() {
    this.tell({ kind: 'clock', wallMs: wallOf(this.#at) })
    this.tell({ kind: 'probe', ok: true })
  }

  get now(): number {
    return this.#at
  }

  /** Lets time go by, during which the database is asked and answers, and leases are looked at. */
  wait(ms: number, { answers = true, looks = true } = {}): void {
    const until = this.#at + ms
    while (this.#at + 200 < until) {
      this.#at += 180
      this.tell({ kind: 'probe', ok: answers })
      if (looks) this.tell({ kind: 'overdue', jobs: [] })
    }
    this.#at = until
  }

  tell(happening: Happening, by = 'teller'): HistoryEvent {
    const event: HistoryEvent = { at: this.#at, by, ...happening }
    this.events.push(event)
    this.#at += 10
    return event
  }

  /** One enqueue of one job; answered with the job `id`. */
  enqueue(
    id: string,
    { answer = 'acknowledged', created = true, work = { do: 'return' }, ...asked }: Asked = {},
  ): string {
    const call = `call-${++this.#calls}`
    this.tell({ kind: 'enqueue_sent', call, via: 'http', jobs: [{ maxAttempts: 3, work, label: id, ...asked }] })
    const jobs = answer === 'acknowledged' ? { jobs: [{ id, created }] } : {}
    if (answer !== 'none') this.tell({ kind: 'enqueue_answered', call, answer, ...jobs })
    return call
  }

  act(act: 'cancel' | 'retry' | 'run', job: string, answer: 'done' | 'refused' | 'unknown' = 'done'): void {
    const call = `call-${++this.#calls}`
    this.tell({ kind: 'act_sent', call, act, job })
    this.tell({ kind: 'act_answered', call, act, job, answer })
  }

  start(job: string, token: number, { attempt = token, worker = 'worker-1' } = {}): void {
    if (!this.#began.has(`${job} ${token}`)) this.#began.set(`${job} ${token}`, this.#at)
    this.tell({ kind: 'run_started', job, token, attempt, worker, pid: 1 })
  }

  end(job: string, token: number, how: RunEnded['how'] = 'returned'): void {
    this.tell({ kind: 'run_ended', job, token, how })
    this.#ended.set(`${job} ${token}`, this.#at - 1)
  }

  /** A run as it is recorded: by the worker that ran it, when it had just ended. */
  run(
    job: string,
    token: number,
    outcome: Attempt['outcome'],
    { attempt = token, ...fields }: Partial<Attempt> & { at?: number } = {},
  ): Attempt {
    const { at = this.#ended.get(`${job} ${token}`) ?? this.#at, ...rest } = fields
    return {
      attempt,
      token,
      worker: { id: 'session', name: 'worker-1' },
      started_at: instant(this.#began.get(`${job} ${token}`) ?? at),
      ...(outcome === 'running' ? {} : { finished_at: instant(at) }),
      outcome,
      ...rest,
    }
  }

  view(id: string, { attempts = [], ...fields }: Partial<JobView> = {}): JobView {
    const last = attempts.at(-1)
    const state = fields.state ?? 'completed'
    const isFinal = state === 'completed' || state === 'dead' || state === 'cancelled'
    return {
      id,
      type: 'test',
      queue: 'default',
      state,
      payload: { label: id },
      priority: 0,
      run_at: instant(0),
      created_at: instant(0),
      attempt: last?.attempt ?? 0,
      max_attempts: 3,
      lost: 0,
      tags: [],
      ...(isFinal && { finished_at: last?.finished_at ?? instant(this.#at) }),
      attempts,
      ...fields,
    }
  }

  sample(id: string, fields?: Partial<JobView>, by = 'observer'): void {
    this.tell({ kind: 'sampled', job: this.view(id, fields) }, by)
  }

  export(id: string, fields?: Partial<JobView>): void {
    this.tell({ kind: 'exported', job: this.view(id, fields) })
  }

  /** Enqueued, run, returned and completed. */
  completes(id: string, token = 1): void {
    this.start(id, token)
    this.end(id, token)
    this.export(id, { attempts: [this.run(id, token, 'completed')] })
  }

  heal(): void {
    this.tell({ kind: 'healed' })
  }
}

export interface Asked {
  /** `none`: there was no answer at all. */
  answer?: EnqueueAnswered['answer'] | 'none'
  created?: boolean
  work?: Work
  key?: string
  id?: string
  label?: string
  runAt?: string
  delayMs?: number
  maxAttempts?: number
}

const EPOCH_MS = 1_800_000_000_000
const wallOf = (at: number): number => EPOCH_MS + at
/** What the database's clock shows at this moment of a story. */
export const instant = (at: number): string => new Date(wallOf(at)).toISOString()
