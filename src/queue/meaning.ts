import { createHash } from 'node:crypto'
import { canonicalJson } from '../job/json-canonical.ts'
import type { NewJob } from '../job/job.ts'

/**
 * Digest of what an enqueue asks for, so that a repeat under the same key or id can be told from another wish: type,
 * queue, options as given (a `delay` stays a delay) with defaults filled in, and the payload as a JSON value, whatever
 * the order of its keys. The id and the key themselves are no part of it.
 */
export function meaningOf(job: NewJob): string {
  const { id: _id, idempotencyKey: _key, payloadJson, traceparent: _trace, tags, ...options } = job
  const sorted = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256')
    .update(JSON.stringify([sorted, [...tags].sort()]))
    .update(canonicalJson(payloadJson))
    .digest('base64url')
}
