import type { HistoryEvent } from '../history.ts'

export type JobView = Extract<HistoryEvent, { kind: 'exported' }>['job']
export type Attempt = NonNullable<JobView['attempts']>[number]

export const isFinal = ({ state }: JobView): boolean =>
  state === 'completed' || state === 'dead' || state === 'cancelled'

export const attemptsOf = ({ attempts = [] }: JobView): readonly Attempt[] => attempts

/** The run that the job ended with, if it ended with one: what is cancelled or expires while it waits does not. */
export function lastRunOf(view: JobView): Attempt | undefined {
  const last = attemptsOf(view).at(-1)
  return isFinal(view) && last?.outcome === view.state && last.finished_at === view.finished_at ? last : undefined
}

/** Dead because its last run was lost: with its worker, or in a child process of its own. */
export const diedLost = ({ state, reason, error }: JobView): boolean =>
  state === 'dead' && (reason === 'lost' || error?.code === 'lease_expired' || error?.name === 'ProcessLost')

/** Milliseconds since 1970; microseconds are cut off. */
export const msOf = (instant: string): number => Date.parse(instant)

/** After which run this life began: a person's retry gives a job its own maximum again. */
export const lifeStartOf = (view: JobView, ownMaximum: number): number => view.max_attempts - ownMaximum

/** The runs of this life. */
export const lifeOf = (view: JobView, ownMaximum: number): readonly Attempt[] =>
  attemptsOf(view).filter(({ attempt }) => attempt > lifeStartOf(view, ownMaximum))

/** Which run made the result, where the handler says so in it. */
export function tokenInResult({ result }: JobView): number | undefined {
  const token = (typeof result === 'object' && result !== null ? result : {}) as { token?: unknown }
  return typeof token.token === 'number' ? token.token : undefined
}

/** Which run wrote a message, where it says so: `… token 7 …`. */
export function tokenInMessage(message: string): number | undefined {
  const found = /\btoken (\d+)/.exec(message)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** When a message was written, where it says so, by the clock of the history: `… at 1234.5`. */
export function timeInMessage(message: string): number | undefined {
  const found = /\bat (\d+(?:\.\d+)?)/.exec(message)?.[1]
  return found === undefined ? undefined : Number(found)
}
