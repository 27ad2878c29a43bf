import { INSTANT_HELP, parseInstant } from '../job/instant.ts'
import { isKey, isQueueName, isTag, isTypeName, KEY_HELP, QUEUE_HELP, TAG_HELP, TYPE_HELP } from '../job/name.ts'
import { JOB_STATES, type JobState } from '../job/state.ts'
import { isStorable } from './fields.ts'
import type { FieldProblem } from './problem.ts'
import { unknownName } from './problems-of.ts'

export const DEFAULT_LIMIT = 100
export const MAX_LIMIT = 1_000

const MAX_PAYLOAD_FILTERS = 10
const MAX_PAYLOAD_TEXT = 1_000
const PAYLOAD_PREFIX = 'payload.'

/** What a list of jobs can be narrowed by. */
export interface ParsedFilter {
  states?: JobState[]
  queue?: string
  type?: string
  tag?: string
  key?: string
  worker?: string
  error?: string
  createdAfter?: string
  createdBefore?: string
  finishedAfter?: string
  payload?: { path: string[]; value: string }[]
  q?: string
  limit: number
  cursor?: string
}

type Take = (filter: ParsedFilter, value: string) => string | undefined

/** Each parameter: takes its value into the filter, or says what is wrong with it. */
const PARAMETERS: Record<string, Take> = {
  state: takeStates,
  queue: named('queue', isQueueName, QUEUE_HELP),
  type: named('type', isTypeName, TYPE_HELP),
  tag: named('tag', isTag, TAG_HELP),
  key: named('key', isKey, KEY_HELP),
  worker: named('worker', isText, 'must be a worker’s id or name'),
  error: named('error', isText, 'must be a fingerprint or a part of the message, up to 500 characters'),
  created_after: takeInstant('createdAfter'),
  created_before: takeInstant('createdBefore'),
  finished_after: takeInstant('finishedAfter'),
  q: named('q', isText, 'must be text of up to 500 characters'),
  limit: takeLimit,
  cursor: named('cursor', isCursor, 'is no cursor of this server'),
}

/** Parameters of the contract whose features this release does not have. */
const UNSUPPORTED = ['group', 'batch']

export const FILTER_NAMES: readonly string[] = Object.keys(PARAMETERS)

/** Reads the parameters of a list of jobs; every wrong, unknown or repeated one is a problem. `state` may be repeated. */
export function parseJobFilter(
  parameters: readonly (readonly [name: string, value: string])[],
): { filter: ParsedFilter; problems?: never } | { filter?: never; problems: FieldProblem[] } {
  const filter: ParsedFilter = { limit: DEFAULT_LIMIT }
  const problems: FieldProblem[] = []
  const seen = new Set<string>()
  for (const [name, value] of parameters) {
    const message = seen.has(name) && name !== 'state' ? 'is given twice' : take(filter, name, value)
    seen.add(name)
    if (message !== undefined && problems.length < MAX_LIMIT) problems.push({ path: name.slice(0, 100), message })
  }
  return problems.length > 0 ? { problems } : { filter }
}

function take(filter: ParsedFilter, name: string, value: string): string | undefined {
  if (name.startsWith(PAYLOAD_PREFIX)) return takePayload(filter, name, value)
  if (UNSUPPORTED.includes(name)) return 'is not supported by this release'
  const parameter = Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name] : undefined
  return parameter ? parameter(filter, value) : unknownName('parameter', name, [...FILTER_NAMES, 'payload.<path>'])
}

function takeStates(filter: ParsedFilter, value: string): string | undefined {
  for (const state of value.split(',')) {
    if (!isState(state)) return `must be of ${JOB_STATES.join(', ')}`
    if (!filter.states?.includes(state)) filter.states = [...(filter.states ?? []), state]
  }
  return undefined
}

function takeLimit(filter: ParsedFilter, value: string): string | undefined {
  const limit = /^\d{1,4}$/.test(value) ? Number(value) : 0
  if (limit < 1 || limit > MAX_LIMIT) return `must be a whole number from 1 to ${MAX_LIMIT}`
  filter.limit = limit
  return undefined
}

function takePayload(filter: ParsedFilter, name: string, value: string): string | undefined {
  const path = name.slice(PAYLOAD_PREFIX.length).split('.')
  const { payload = [] } = filter
  if (path.includes('') || !isStorable(name) || name.length > MAX_PAYLOAD_TEXT)
    return 'must be payload.<path>, the steps of the path with dots between them'
  if (!isStorable(value) || value.length > MAX_PAYLOAD_TEXT)
    return `must be text of up to ${MAX_PAYLOAD_TEXT} characters without NUL`
  if (payload.length >= MAX_PAYLOAD_FILTERS) return `at most ${MAX_PAYLOAD_FILTERS} filters look into the payload`
  filter.payload = [...payload, { path, value }]
  return undefined
}

function takeInstant(field: 'createdAfter' | 'createdBefore' | 'finishedAfter'): Take {
  return (filter, value) => {
    const instant = parseInstant(value)
    if (instant === undefined) return INSTANT_HELP
    filter[field] = instant
    return undefined
  }
}

function named(
  field: 'queue' | 'type' | 'tag' | 'key' | 'worker' | 'error' | 'q' | 'cursor',
  isFit: (value: string) => boolean,
  help: string,
): Take {
  return (filter, value) => {
    if (!isFit(value)) return help
    filter[field] = value
    return undefined
  }
}

function isText(value: string): boolean {
  return value !== '' && value.length <= 500 && isStorable(value)
}

function isCursor(value: string): boolean {
  return /^[\w.~:=+/-]{1,1000}$/.test(value)
}

const isState = (value: string): value is JobState => (JOB_STATES as readonly string[]).includes(value)
