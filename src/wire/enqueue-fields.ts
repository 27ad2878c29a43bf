import { z } from 'zod'
import { BACKOFF_KINDS, DEFAULT_BACKOFF } from '../job/backoff.ts'
import { canonicalId, isUuidV7 } from '../job/id.ts'
import { isKey, isTag, KEY_HELP, QUEUE_HELP, QUEUE_PATTERN, TAG_HELP, TYPE_HELP, TYPE_PATTERN } from '../job/name.ts'
import { MAX_ATTEMPTS, MAX_TAGS, PRIORITY } from './field-limits.ts'
import { duration, HORIZON_MS, instant, required } from './fields.ts'

/** Timers of JavaScript reach no further than 2^31 ms. */
const MAX_TIMEOUT_MS = 24 * 86_400_000

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/

const PRIORITY_HELP = `must be a whole number from ${PRIORITY.min} to ${PRIORITY.max}`
const ATTEMPTS_HELP = `must be a whole number from ${MAX_ATTEMPTS.min} to ${MAX_ATTEMPTS.max}`
const JITTER_HELP = 'must be a number from 0 to 1: the part of the pause by which it is spread'
const TAGS_HELP = `must be an array of at most ${MAX_TAGS} tags`

const TEN_YEARS = { maxMs: HORIZON_MS, range: 'at most 10 years' }
const pause = duration({ minMs: 1, maxMs: HORIZON_MS, range: '1ms to 10 years' })

const BackoffBody = z
  .strictObject(
    {
      kind: z.enum(BACKOFF_KINDS, { error: required(`must be ${BACKOFF_KINDS.join(', ')}`) }),
      base: z.string({ error: required('must be a duration') }).pipe(pause),
      cap: pause.optional(),
      jitter: z.number(JITTER_HELP).min(0, JITTER_HELP).max(1, JITTER_HELP).optional(),
    },
    'must be an object {kind, base, cap?, jitter?}',
  )
  .refine(({ base, cap }) => cap === undefined || cap >= base, {
    path: ['cap'],
    error: 'must not be shorter than base',
  })
  .transform(({ kind, base, cap, jitter }) => ({
    kind,
    baseMs: base,
    capMs: cap ?? Math.max(base, DEFAULT_BACKOFF.capMs),
    jitter: jitter ?? DEFAULT_BACKOFF.jitter,
  }))

const Tags = z
  .array(z.unknown(), TAGS_HELP)
  // First the number: a body of a million tags is refused for one reason, not for a million.
  .max(MAX_TAGS, TAGS_HELP)
  .pipe(z.array(z.custom<string>(isTag, TAG_HELP)))
  .refine((tags) => new Set(tags).size === tags.length, 'must not name a tag twice')

/** Every field of an enqueue but its payload, which stays text. Durations become milliseconds, instants UTC. */
export const EnqueueFields = z.strictObject({
  type: z.string({ error: required(TYPE_HELP) }).regex(TYPE_PATTERN, TYPE_HELP),
  id: z.custom<string>(isUuidV7, 'must be a UUIDv7').transform(canonicalId).optional(),
  queue: z.string(QUEUE_HELP).regex(QUEUE_PATTERN, QUEUE_HELP).optional(),
  priority: z.int(PRIORITY_HELP).min(PRIORITY.min, PRIORITY_HELP).max(PRIORITY.max, PRIORITY_HELP).optional(),
  run_at: instant.optional(),
  delay: duration({ minMs: 0, ...TEN_YEARS }).optional(),
  expires_at: instant.optional(),
  expires_in: duration({ minMs: 1, maxMs: HORIZON_MS, range: '1ms to 10 years' }).optional(),
  max_attempts: z
    .int(ATTEMPTS_HELP)
    .min(MAX_ATTEMPTS.min, ATTEMPTS_HELP)
    .max(MAX_ATTEMPTS.max, ATTEMPTS_HELP)
    .optional(),
  backoff: BackoffBody.optional(),
  timeout: duration({ minMs: 1, maxMs: MAX_TIMEOUT_MS, range: '1ms to 24d' }).optional(),
  idempotency_key: z.custom<string>(isKey, KEY_HELP).optional(),
  tags: Tags.optional(),
  keep_for: duration({ minMs: 0, ...TEN_YEARS }).optional(),
  traceparent: z
    .string('must be a traceparent of W3C Trace Context')
    .regex(TRACEPARENT, 'must be a traceparent of W3C Trace Context')
    .optional(),
})

/** Fields of the contract whose features this release does not have: refused, never ignored. */
export const UNSUPPORTED_FIELDS = [
  'unique',
  'concurrency_key',
  'group',
  'depends_on',
  'on_dependency_failure',
  'batch_id',
] as const

export const ENQUEUE_FIELD_NAMES: readonly string[] = [...Object.keys(EnqueueFields.shape), 'payload']
export const BACKOFF_FIELD_NAMES: readonly string[] = ['kind', 'base', 'cap', 'jitter']

/** The value of a `traceparent` header; undefined when it is none, since a broken trace must not refuse a job. */
export const traceparentFromHeader = (value: string | undefined): string | undefined =>
  value !== undefined && TRACEPARENT.test(value) ? value : undefined
