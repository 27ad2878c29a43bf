import { ForgeQError, type Problem } from '../errors.ts'
import { INSTANT_HELP, parseInstant } from '../job/instant.ts'
import { isQueueName, QUEUE_HELP } from '../job/name.ts'
import { JOB_STATES } from '../job/state.ts'
import { hasLoneSurrogate } from '../job/text.ts'
import type { JobFilter } from './job-queue.ts'

const MAX_LIMIT = 1_000
const MAX_TEXT = 1_000

/** Text that a statement can be asked about: whole characters and no NUL. */
const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= MAX_TEXT && !value.includes('\0') && !hasLoneSurrogate(value)

type Check = (value: unknown) => string | undefined
const TEXT_HELP = `must be text of at most ${MAX_TEXT} characters without NUL`
const text: Check = (value) => (isText(value) ? undefined : TEXT_HELP)
const word: Check = (value) => (isText(value) && value !== '' ? undefined : `${TEXT_HELP}, and not empty`)
const instant: Check = (value) => (parseInstant(value) === undefined ? INSTANT_HELP : undefined)

const isStep = (step: unknown): boolean => {
  const { path, value } = (step ?? {}) as { path?: unknown; value?: unknown }
  return Array.isArray(path) && path.length > 0 && path.every(isText) && isText(value)
}

const FILTER: Record<keyof JobFilter, Check> = {
  states: (value) =>
    Array.isArray(value) && value.every((one) => (JOB_STATES as readonly unknown[]).includes(one))
      ? undefined
      : `must be an array of ${JOB_STATES.join(', ')}`,
  queue: word,
  type: word,
  tag: word,
  key: word,
  worker: word,
  error: word,
  q: word,
  cursor: word,
  createdAfter: instant,
  createdBefore: instant,
  finishedAfter: instant,
  payload: (value) =>
    Array.isArray(value) && value.every(isStep) ? undefined : 'must be an array of {path: [step, …], value}',
  limit: (value) =>
    Number.isInteger(value) && (value as number) >= 1 && (value as number) <= MAX_LIMIT
      ? undefined
      : `must be a whole number from 1 to ${MAX_LIMIT}`,
}

/** @throws {ForgeQError} `invalid_request`, naming every part of the filter that no list can be narrowed by */
export const checkFilter = (filter: JobFilter): void => refuse(problemsOf(filter, FILTER))

/** @throws {ForgeQError} `invalid_request` */
export const checkQueueName = (name: string): void =>
  refuse(isQueueName(name) ? [] : [{ path: 'name', message: QUEUE_HELP }])

/** @throws {ForgeQError} `invalid_request` */
export const checkPause = (options: object): void =>
  refuse(problemsOf(options, { reason: text, by: text, until: instant }))

function problemsOf(given: object, checks: Record<string, Check>): Problem[] {
  return Object.entries(given).flatMap(([path, value]) => {
    if (value === undefined) return []
    const check = Object.hasOwn(checks, path) ? checks[path] : undefined
    const message = check ? check(value) : `is not one of ${Object.keys(checks).join(', ')}`
    return message === undefined ? [] : [{ path, message }]
  })
}

function refuse(problems: Problem[]): void {
  if (problems.length === 0) return
  throw new ForgeQError('invalid_request', problems.map(({ path, message }) => `${path}: ${message}`).join('; '), {
    errors: problems,
  })
}
