import { ForgeQError, invalidJob } from './errors.ts'
import type { NewJob } from './job/job.ts'
import { toPayloadJson } from './job/payload.ts'
import { payloadPath } from './job/schema-path.ts'
import { enqueueFromFields } from './wire/enqueue-body.ts'
import { type BackoffOptions, definitionOf, type JobDefinition } from './worker/definition.ts'

/** How a job is to be run; durations are texts such as `10m`. */
export interface EnqueueJobOptions {
  /** A UUIDv7: the same id again is the same job. */
  id?: string
  queue?: string
  priority?: number
  runAt?: Date | string
  delay?: string
  expiresAt?: Date | string
  expiresIn?: string
  maxAttempts?: number
  backoff?: BackoffOptions
  timeout?: string
  idempotencyKey?: string
  tags?: string[]
  keepFor?: string
  traceparent?: string
}

/** A definition or a type, its payload, how it is to be run. */
export type EnqueueItem = readonly [JobDefinition | string, unknown?, EnqueueJobOptions?]

interface Limits {
  maxPayloadBytes: number
}

/** Many at once: what is wrong with any of them is told for all together, each under its place. */
export async function newJobsFrom(items: readonly EnqueueItem[], limits: Limits): Promise<NewJob[]> {
  const jobs: NewJob[] = []
  const problems: ForgeQError['errors'] = []
  for (const [index, item] of items.entries()) {
    try {
      const definition = definitionIn(item)
      const payload = definition?.payload ? await validated(definition, item[1]) : item[1]
      jobs.push(newJob(item, definition, payload, limits))
    } catch (error) {
      if (!(error instanceof ForgeQError)) throw error
      problems.push(
        ...error.errors.map(({ path, message }) => ({
          path: path ? `jobs[${index}].${path}` : `jobs[${index}]`,
          message,
        })),
      )
    }
  }
  if (problems.length > 0) throw invalidJob(problems)
  return jobs
}

/** What a program asks for, checked as a request over HTTP is. @throws {ForgeQError} `invalid_job`, `payload_too_large`, `unsupported` */
export async function newJobFrom(item: EnqueueItem, limits: Limits): Promise<NewJob> {
  const definition = definitionIn(item)
  const payload = definition?.payload ? await validated(definition, item[1]) : item[1]
  return newJob(item, definition, payload, limits)
}

function definitionIn([job]: EnqueueItem): JobDefinition | undefined {
  const definition = typeof job === 'string' ? undefined : definitionOf(job)
  if (typeof job === 'string' || definition) return definition
  throw invalidJob([{ path: 'type', message: 'must be a type or what defineJob returned' }])
}

function newJob(
  [job, , options = {}]: EnqueueItem,
  definition: JobDefinition | undefined,
  payload: unknown,
  { maxPayloadBytes }: Limits,
): NewJob {
  const json = toPayloadJson(payload === undefined ? {} : payload, { maxBytes: maxPayloadBytes })
  if (json.problem !== undefined) {
    const { path, message } = json.problem
    throw new ForgeQError(json.code, `${path}: ${message}`, { errors: [json.problem] })
  }
  const fields = { ...defaultsOf(definition), ...wireFields(options), type: definition?.type ?? job }
  const parsed = enqueueFromFields(fields, json.text, { maxPayloadBytes })
  if (!parsed.job)
    throw new ForgeQError(parsed.code, parsed.problems.map(({ path, message }) => `${path}: ${message}`).join('; '), {
      errors: parsed.problems,
    })
  return parsed.job
}

/** What the definition says holds unless the call says otherwise. */
const defaultsOf = (definition: JobDefinition | undefined): Record<string, unknown> =>
  definition === undefined
    ? {}
    : defined({
        queue: definition.queue,
        max_attempts: definition.maxAttempts,
        timeout: definition.timeout,
        backoff: definition.backoff,
      })

const WIRE_NAMES: Record<string, string> = {
  runAt: 'run_at',
  expiresAt: 'expires_at',
  expiresIn: 'expires_in',
  maxAttempts: 'max_attempts',
  idempotencyKey: 'idempotency_key',
  keepFor: 'keep_for',
}

/** Options under their wire names; one that does not exist is refused there like any other field. */
const wireFields = (options: object): Record<string, unknown> =>
  defined(
    Object.fromEntries(
      Object.entries(options).map(([name, value]) => [
        WIRE_NAMES[name] ?? name,
        value instanceof Date ? isoOf(name, value) : (value as unknown),
      ]),
    ),
  )

function isoOf(name: string, date: Date): string {
  if (Number.isNaN(date.getTime()))
    throw invalidJob([{ path: WIRE_NAMES[name] ?? name, message: 'is not a valid Date' }])
  return date.toISOString()
}

const defined = (fields: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

async function validated(definition: JobDefinition, payload: unknown): Promise<unknown> {
  const checked = await definition.payload!['~standard'].validate(payload)
  if (!checked.issues) return payload // stored as given; the handler gets what its schema makes of it
  throw invalidJob(checked.issues.map(({ message, path }) => ({ path: payloadPath(path), message })))
}
