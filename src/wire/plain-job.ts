import { isKey, isQueueName, isTypeName } from '../job/name.ts'
import { MAX_ATTEMPTS, PRIORITY } from './field-limits.ts'
import {
  checkPayload,
  newJob,
  type EnqueueDefaults,
  type EnqueueLimits,
  type JobFields,
  type ParsedEnqueue,
} from './new-job.ts'

const isWhole = (value: unknown, { min, max }: { min: number; max: number }): boolean =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max

/** Fields that are kept as they were given. */
const RULES: Readonly<Record<string, (value: unknown) => boolean>> = {
  type: isTypeName,
  queue: isQueueName,
  priority: (value) => isWhole(value, PRIORITY),
  max_attempts: (value) => isWhole(value, MAX_ATTEMPTS),
  idempotency_key: isKey,
}

/**
 * Most jobs, checked without the schema, which takes longer to load than a job to be enqueued and leaves a kilobyte of
 * garbage for each. Undefined says nothing but that the schema is to be asked: some field is wrong, or is not one of
 * these few.
 */
export function plainJob(
  fields: Record<string, unknown>,
  payloadJson: string | undefined,
  limits: EnqueueLimits,
  defaults: EnqueueDefaults = {},
): ParsedEnqueue | undefined {
  if (!isPlain(fields)) return undefined
  // Two keys, which may differ.
  if (defaults.idempotencyKey !== undefined && fields.idempotency_key !== undefined) return undefined
  return checkPayload(payloadJson, limits) ?? { job: newJob(fields, payloadJson ?? '{}', defaults) }
}

function isPlain(fields: Record<string, unknown>): fields is JobFields {
  return (
    Object.hasOwn(fields, 'type') &&
    Object.keys(fields).every((name) => Object.hasOwn(RULES, name) && RULES[name]!(fields[name]))
  )
}
