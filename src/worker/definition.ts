import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Backoff } from '../job/backoff.ts'
import { DEFAULT_BACKOFF } from '../job/backoff.ts'
import { DURATION_HELP, parseDuration } from '../job/duration.ts'
import type { Handler, RunningJob } from './handler.ts'

/** A symbol of the registry, because a handlers folder can bring its own copy of the package. */
const DEFINITION = Symbol.for('forgeq.job_definition')

export interface BackoffOptions {
  kind: Backoff['kind']
  base: string
  cap?: string
  jitter?: number
}

/** What `defineJob` takes. Durations are texts such as `30s`. */
export interface JobOptions<Payload = unknown, Result = unknown> {
  type: string
  /** Where its jobs go when the enqueue does not say. */
  queue?: string
  /** Any Standard Schema validator: checked at enqueue and again before each run. */
  payload?: StandardSchemaV1<unknown, Payload>
  maxAttempts?: number
  /** Longest run; 1 h when absent. */
  timeout?: string
  backoff?: BackoffOptions
  /** How long a run that was aborted by its timeout may take to end before it is given up; 30 s when absent. */
  abortGrace?: string
  /** In the worker's own process, the only way in this release. */
  isolate?: 'inline'
  /** What a stored payload that fails its schema comes to: `retry` (default) or `dead` at once. */
  invalidPayload?: 'retry' | 'dead'
  run(payload: Payload, job: RunningJob): Result | Promise<Result>
}

export interface JobDefinition<Payload = unknown, Result = unknown> extends JobOptions<Payload, Result> {
  readonly timeoutMs?: number
  readonly backoffMs?: Backoff
  readonly abortGraceMs?: number
  readonly [DEFINITION]: true
}

const KNOWN = new Set([
  'type',
  'queue',
  'payload',
  'maxAttempts',
  'timeout',
  'backoff',
  'abortGrace',
  'isolate',
  'invalidPayload',
  'run',
])

/**
 * Defines a job: its type, how it is run and what its enqueues take as defaults. Payload and result are inferred
 * wherever the definition is used.
 *
 * @throws {TypeError} an option that is not known or has no meaning
 */
export function defineJob<Payload, Result>(
  options: JobOptions<Payload, Result>,
): JobDefinition<Payload, Awaited<Result>> {
  const unknown = Object.keys(options).find((key) => !KNOWN.has(key))
  if (unknown) throw new TypeError(`defineJob: there is no option ${unknown} in this release`)
  if (typeof options.type !== 'string' || typeof options.run !== 'function')
    throw new TypeError('defineJob: `type` and `run` are needed')
  if (options.isolate !== undefined && options.isolate !== 'inline')
    throw new TypeError("defineJob: `isolate` can only be 'inline' in this release")
  return {
    ...options,
    ...(options.timeout === undefined ? {} : { timeoutMs: durationMs('timeout', options.timeout) }),
    ...(options.backoff === undefined ? {} : { backoffMs: backoffOf(options.backoff) }),
    ...(options.abortGrace === undefined ? {} : { abortGraceMs: durationMs('abortGrace', options.abortGrace) }),
    [DEFINITION]: true,
  } as JobDefinition<Payload, Awaited<Result>>
}

/** The definition that a module exports, also one made by another copy of this package. */
export function definitionOf(exported: unknown): JobDefinition | undefined {
  const marked =
    typeof exported === 'object' && exported !== null && (exported as Partial<JobDefinition>)[DEFINITION] === true
  return marked ? (exported as JobDefinition) : undefined
}

export function handlerOfDefinition(definition: JobDefinition, source: string): Handler {
  return {
    type: definition.type,
    source,
    ...(definition.timeoutMs === undefined ? {} : { timeoutMs: definition.timeoutMs }),
    ...(definition.backoffMs === undefined ? {} : { backoff: definition.backoffMs }),
    ...(definition.abortGraceMs === undefined ? {} : { abortGraceMs: definition.abortGraceMs }),
    ...(definition.payload === undefined ? {} : { schema: definition.payload }),
    ...(definition.invalidPayload === undefined ? {} : { invalidPayload: definition.invalidPayload }),
    run: (payload, job) => definition.run(payload, job),
  }
}

function backoffOf({ kind, base, cap, jitter = DEFAULT_BACKOFF.jitter }: BackoffOptions): Backoff {
  const baseMs = durationMs('backoff.base', base)
  return {
    kind,
    baseMs,
    capMs: cap === undefined ? Math.max(baseMs, DEFAULT_BACKOFF.capMs) : durationMs('backoff.cap', cap),
    jitter,
  }
}

function durationMs(option: string, text: string): number {
  const ms = parseDuration(text)
  if (ms === undefined || ms < 1) throw new TypeError(`defineJob: ${option} ${JSON.stringify(text)}: ${DURATION_HELP}`)
  return ms
}
