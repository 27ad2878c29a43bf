import type { z } from 'zod'
import { checkJson, memberSpans } from '../job/json.ts'
import { BACKOFF_FIELD_NAMES, ENQUEUE_FIELD_NAMES, EnqueueFields, UNSUPPORTED_FIELDS } from './enqueue-fields.ts'
import { failure, mergeFailures, type Failure } from './failure.ts'
import { checkPayload, newJob, type EnqueueDefaults, type EnqueueLimits, type ParsedEnqueue } from './new-job.ts'
import { plainJob } from './plain-job.ts'
import { problemsOf } from './problems-of.ts'

/**
 * Bytes that the JSON text of one job may take on its way in. A payload's limit is meant for what PostgreSQL stores:
 * escapes make the same value up to six times as long, and the other fields need some room.
 */
export const maxJobBytes = ({ maxPayloadBytes }: EnqueueLimits): number => 6 * maxPayloadBytes + 65_536

/**
 * Reads the JSON text of one job. The payload stays the text it was, digit for digit; every other field is checked
 * and has its default. A refusal names every problem with its path.
 */
export function parseEnqueue(body: string, limits: EnqueueLimits, defaults: EnqueueDefaults = {}): ParsedEnqueue {
  const spans = memberSpans(body)
  if (!spans) return notAnObject(body)
  if (spans.duplicates.length > 0) {
    return { code: 'invalid_job', problems: spans.duplicates.map((path) => ({ path, message: 'stands twice' })) }
  }
  const fields: Record<string, unknown> = {}
  let payloadJson: string | undefined
  for (const [name, { start, end }] of spans.members) {
    const text = body.slice(start, end)
    if (name === 'payload') payloadJson = text
    else {
      try {
        setOwn(fields, name, JSON.parse(text))
      } catch {
        return notJson(body)
      }
    }
  }
  return enqueueFromFields(fields, payloadJson, limits, defaults)
}

/**
 * The same checks for fields that come from elsewhere (flags, options of a program) under the names of the wire,
 * with the payload as JSON text (absent: `{}`).
 */
export function enqueueFromFields(
  fields: Record<string, unknown>,
  payloadJson: string | undefined,
  limits: EnqueueLimits,
  defaults: EnqueueDefaults = {},
): ParsedEnqueue {
  return plainJob(fields, payloadJson, limits, defaults) ?? jobBySchema(fields, payloadJson, limits, defaults)
}

/** The same for any fields, right or wrong. */
export function jobBySchema(
  fields: Record<string, unknown>,
  payloadJson: string | undefined,
  limits: EnqueueLimits,
  defaults: EnqueueDefaults,
): ParsedEnqueue {
  const failures = [checkPayload(payloadJson, limits), checkTogether(fields, defaults)].filter(
    (found) => found !== undefined,
  )
  const parsed = EnqueueFields.safeParse(fields)
  if (!parsed.success) failures.push(...fieldFailures(parsed.error))
  const refused = mergeFailures(failures)
  if (refused || !parsed.success) return refused ?? failure('invalid_job', '', 'is not a job')
  return { job: newJob(parsed.data, payloadJson ?? '{}', defaults) }
}

/** A plain object with this one exception: an object without a prototype costs zod twice the time. */
function setOwn(fields: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') Object.defineProperty(fields, name, { value, enumerable: true })
  else fields[name] = value
}

/** What no field can say alone. */
function checkTogether(fields: Record<string, unknown>, { idempotencyKey }: EnqueueDefaults): Failure | undefined {
  const problems = []
  if (fields['run_at'] !== undefined && fields['delay'] !== undefined) {
    problems.push({ path: 'delay', message: 'cannot be given together with run_at' })
  }
  if (fields['expires_at'] !== undefined && fields['expires_in'] !== undefined) {
    problems.push({ path: 'expires_in', message: 'cannot be given together with expires_at' })
  }
  const key = fields['idempotency_key']
  if (idempotencyKey !== undefined && key !== undefined && key !== idempotencyKey) {
    problems.push({ path: 'idempotency_key', message: 'must be the same as the Idempotency-Key header' })
  }
  return problems.length > 0 ? { code: 'invalid_job', problems } : undefined
}

function fieldFailures(error: z.ZodError): Failure[] {
  const known = (object: PropertyKey[]) => (object[0] === 'backoff' ? BACKOFF_FIELD_NAMES : ENQUEUE_FIELD_NAMES)
  return problemsOf(error, known).map(({ path, message }) =>
    (UNSUPPORTED_FIELDS as readonly string[]).includes(path)
      ? failure('unsupported', path, 'is not supported by this release')
      : failure('invalid_job', path, message),
  )
}

function notAnObject(body: string): Failure {
  return isSyntaxError(body) ? notJson(body) : failure('invalid_job', '', 'a job must be a JSON object')
}

/** A failure that says where the text stops being JSON. */
export function notJson(text: string): Failure {
  const check = checkJson(text, { maxBytes: Infinity, maxDepth: Infinity })
  return failure('invalid_json', '', check.ok ? 'the text is not JSON' : check.message)
}

export function isSyntaxError(text: string): boolean {
  const check = checkJson(text, { maxBytes: Infinity, maxDepth: Infinity })
  return !check.ok && check.reason === 'syntax'
}
