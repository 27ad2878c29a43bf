import type {
  ActAnswered,
  ActSent,
  EffectStored,
  EnqueueAnswered,
  EnqueueSent,
  Exported,
  Happening,
  HistoryEvent,
  RunEnded,
  RunStarted,
  Sampled,
} from '../history.ts'
import { type Clocks, clocksOf } from './clocks.ts'
import type { JobView } from './views.ts'

export type Seen<H extends Happening> = HistoryEvent & H

/** One call's part in a wish. */
export interface Ask {
  sent: Seen<EnqueueSent>
  n: number
  /** Absent: there was no answer at all. */
  answered?: Seen<EnqueueAnswered>
}

/** A job that somebody asked for, once or, under one name, several times. */
export interface Wish {
  name: string
  /** Under a key or an id of the caller's: asked for again it is the same job. */
  named: boolean
  asks: Ask[]
  /** Every job that came of it. */
  jobs: Set<string>
}

export interface RunFacts {
  token: number
  starts: Seen<RunStarted>[]
  ends: Seen<RunEnded>[]
}

/** All that the history says about one job, by time. */
export interface JobFacts {
  id: string
  wish?: Wish
  acknowledged: { answered: Seen<EnqueueAnswered>; created: boolean }[]
  runs: Map<number, RunFacts>
  /** Samples, then the export. */
  views: (Seen<Sampled> | Seen<Exported>)[]
  exported?: Seen<Exported>
  acts: { sent: Seen<ActSent>; answered?: Seen<ActAnswered> }[]
  effects: Seen<EffectStored>[]
}

/** The history, each event in its place. */
export interface Facts {
  events: readonly HistoryEvent[]
  jobs: Map<string, JobFacts>
  wishes: Wish[]
  clocks: Clocks
  healedAt?: number
  /** The events of a kind, by time. */
  of<K extends Happening['kind']>(kind: K): Seen<Extract<Happening, { kind: K }>>[]
}

export function factsOf(history: readonly HistoryEvent[]): Facts {
  const events = isSorted(history) ? history : history.toSorted((a, b) => a.at - b.at)
  const byKind = new Map<string, HistoryEvent[]>()
  for (const event of events) {
    const list = byKind.get(event.kind)
    if (list) list.push(event)
    else byKind.set(event.kind, [event])
  }
  const of = <K extends Happening['kind']>(kind: K) =>
    (byKind.get(kind) ?? []) as Seen<Extract<Happening, { kind: K }>>[]
  const wishes = wishesOf(of('enqueue_sent'), of('enqueue_answered'))
  const jobs = jobsOf(of, wishes)
  const healed = of('healed').at(-1)
  return {
    events,
    jobs,
    wishes: wishes.all,
    clocks: clocksOf(of('clock'), of('probe')),
    ...(healed && { healedAt: healed.at }),
    of,
  }
}

const isSorted = (events: readonly HistoryEvent[]): boolean =>
  events.every((event, index) => index === 0 || events[index - 1]!.at <= event.at)

interface Wishes {
  all: Wish[]
  /** By key, by id, and by what stands in the payload. */
  byName: Map<string, Wish>
  asks: Map<string, { sent: Seen<EnqueueSent>; wishes: Wish[] }>
}

const keyName = (key: string) => `key ${key}`
const idName = (id: string) => `id ${id}`
const labelName = (label: string) => `label ${label}`
const placeName = (call: string, n: number) => `call ${call} ${n}`

function wishesOf(sent: readonly Seen<EnqueueSent>[], answered: readonly Seen<EnqueueAnswered>[]): Wishes {
  const answers = new Map(answered.map((event) => [event.call, event]))
  const wishes: Wishes = { all: [], byName: new Map(), asks: new Map() }
  for (const event of sent) {
    const answer = answers.get(event.call)
    const own = event.jobs.map(({ key, id, label }, n) => {
      const names = [
        ...(key === undefined ? [] : [keyName(key)]),
        ...(id === undefined ? [] : [idName(id)]),
        ...(label === undefined ? [] : [labelName(label)]),
      ]
      const named = key !== undefined || id !== undefined
      let wish = names.map((name) => wishes.byName.get(name)).find((found) => found !== undefined)
      if (!wish) {
        wish = { name: names[0] ?? placeName(event.call, n), named, asks: [], jobs: new Set() }
        wishes.all.push(wish)
      }
      for (const name of [...names, placeName(event.call, n)]) wishes.byName.set(name, wish)
      wish.asks.push({ sent: event, n, ...(answer && { answered: answer }) })
      return wish
    })
    wishes.asks.set(event.call, { sent: event, wishes: own })
  }
  return wishes
}

function jobsOf(of: Facts['of'], wishes: Wishes): Map<string, JobFacts> {
  const jobs = new Map<string, JobFacts>()
  const jobOf = (id: string): JobFacts => {
    let job = jobs.get(id)
    if (!job) jobs.set(id, (job = { id, acknowledged: [], runs: new Map(), views: [], acts: [], effects: [] }))
    return job
  }
  const runOf = (id: string, token: number): RunFacts => {
    const { runs } = jobOf(id)
    let run = runs.get(token)
    if (!run) runs.set(token, (run = { token, starts: [], ends: [] }))
    return run
  }
  const belongs = (job: JobFacts, wish: Wish | undefined) => {
    if (!wish) return
    job.wish ??= wish
    wish.jobs.add(job.id)
  }
  for (const answered of of('enqueue_answered')) {
    const asked = wishes.asks.get(answered.call)
    for (const [n, { id, created }] of (answered.jobs ?? []).entries()) {
      jobOf(id).acknowledged.push({ answered, created })
      belongs(jobOf(id), asked?.wishes[n])
    }
  }
  for (const event of of('run_started')) runOf(event.job, event.token).starts.push(event)
  for (const event of of('run_ended')) runOf(event.job, event.token).ends.push(event)
  for (const event of of('sampled')) jobOf(event.job.id).views.push(event)
  for (const event of of('exported')) {
    const job = jobOf(event.job.id)
    job.views.push(event)
    job.exported = event
    for (const name of namesOf(event.job)) belongs(job, wishes.byName.get(name))
  }
  const acts = new Map(of('act_answered').map((event) => [event.call, event]))
  for (const sent of of('act_sent')) {
    const answered = acts.get(sent.call)
    jobOf(sent.job).acts.push({ sent, ...(answered && { answered }) })
  }
  for (const event of of('effect_stored')) jobOf(event.job).effects.push(event)
  for (const job of jobs.values()) belongs(job, wishes.byName.get(idName(job.id)))
  return jobs
}

/** By what names a stored job may have been asked for. */
function namesOf({ id, idempotency_key: key, payload }: JobView): string[] {
  const { label, call, n } = (typeof payload === 'object' && payload !== null ? payload : {}) as {
    label?: unknown
    call?: unknown
    n?: unknown
  }
  return [
    ...(key === undefined ? [] : [keyName(key)]),
    idName(id),
    ...(typeof label === 'string' ? [labelName(label)] : []),
    ...(typeof call === 'string' && typeof n === 'number' ? [placeName(call, n)] : []),
  ]
}

/** What was asked for; the same in every ask of a wish. */
export const askedOf = ({ wish }: JobFacts): EnqueueSent['jobs'][number] | undefined => {
  const ask = wish?.asks[0]
  return ask?.sent.jobs[ask.n]
}

/** A person's retries that may have begun a new life. */
export const retriesOf = ({ acts }: JobFacts): Seen<ActSent>[] =>
  acts.filter(({ sent, answered }) => sent.act === 'retry' && answered?.answer !== 'refused').map(({ sent }) => sent)

/** Of each token the first start; by token. */
export const startsOf = ({ runs }: JobFacts): { token: number; start: Seen<RunStarted> }[] =>
  [...runs.values()]
    .flatMap(({ token, starts }) => (starts[0] ? [{ token, start: starts[0] }] : []))
    .sort((a, b) => a.token - b.token)
