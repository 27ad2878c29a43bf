import { setTimeout as sleep } from 'node:timers/promises'
import type { Work } from './history.ts'
import { now, openRecorder, type Recorder } from './recorder.ts'

/** What a handler is told about its run, by the product. */
export interface Run {
  readonly id: string
  readonly token: number
  readonly attempt: number
  progress(value: number, message?: string): Promise<void>
}

let recorder: Recorder | undefined

/** Of this process; the harness names it in the environment. */
export function recorderOfProcess(): Recorder {
  return (recorder ??= openRecorder(env('CHAOS_HISTORY'), env('CHAOS_NAME')))
}

export function env(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set: this file is started by the harness`)
  return value
}

/** The handler's first line, before any effect. */
export function startRun({ id, token, attempt }: Run): void {
  recorderOfProcess()({
    kind: 'run_started',
    job: id,
    token,
    attempt,
    worker: env('CHAOS_NAME'),
    pid: process.pid,
  })
}

/** Does the work; its value is the handler's, what it throws too. */
export async function perform(work: Work, run: Run): Promise<unknown> {
  switch (work.do) {
    case 'return':
      return valueOf(run)
    case 'fail':
      if (run.attempt <= (work.times ?? 1)) throw new Error(`fails in attempt ${run.attempt} (token ${run.token})`)
      return valueOf(run)
    case 'sleep':
      await sleepAndTell(work.ms ?? 0, run)
      return valueOf(run)
    case 'block':
      await tell(run, 0)
      for (const until = now() + (work.ms ?? 0); now() < until;);
      return valueOf(run)
    case 'hostile':
      return hostileEnd(work.times ?? 0, run)
  }
}

/** Which run it was that completed the job can be seen in its result. */
export const valueOf = ({ token }: Run) => ({ token, worker: env('CHAOS_NAME') })

const TELL_EVERY_MS = 1_000

async function sleepAndTell(ms: number, run: Run): Promise<void> {
  for (const until = now() + ms; ;) {
    const leftMs = until - now()
    if (leftMs <= 0) return
    if (ms > TELL_EVERY_MS) await tell(run, 1 - leftMs / ms)
    await sleep(Math.min(leftMs, TELL_EVERY_MS))
  }
}

/** A run that has been taken back meanwhile must not be heard any more. */
const tell = (run: Run, part: number) => run.progress(part, `token ${run.token} at ${now()}`)

/** Runs the work of a job that completes by what its handler returns. */
export async function runWork(work: Work, run: Run): Promise<unknown> {
  startRun(run)
  const ended = (how: 'returned' | 'threw') =>
    recorderOfProcess()({ kind: 'run_ended', job: run.id, token: run.token, how })
  try {
    const value = await perform(work, run)
    ended('returned')
    return value
  } catch (error) {
    ended('threw')
    throw error
  }
}

/** Values that no database holds as they are; each has to end its job all the same. The first attempt may throw. */
function hostileEnd(which: number, { attempt }: Run): unknown {
  const circular: { [key: string]: unknown } = { text: 'a\u0000b\ud800' }
  circular['self'] = circular
  switch (which) {
    case 0:
      return circular
    case 1:
      return { big: 2n ** 70n, not: Number.NaN, nothing: undefined, call: () => 1 }
    case 2:
      return 'x'.repeat(2_000_000)
    case 3:
      return {
        get broken() {
          throw new Error('a getter')
        },
      }
    case 4:
      if (attempt === 1) throw null
      return null
    case 5:
      if (attempt === 1) throw Object.freeze(new Error('a\u0000b \u001b[2J'))
      return '\u0000'
    case 6:
      if (attempt === 1) throw Object.assign(new Error('text'), { message: { an: 'object' } })
      return Symbol('s')
    default:
      if (attempt === 1) throw circular
      return new Map([[1, 2]])
  }
}
