import { hasLoneSurrogate, utf8Bytes } from './text.ts'

/** A job's type. Its segments, split at `/`, are folders and a file of handlers, so none begins with a dot. */
export const TYPE_PATTERN = /^(?!.*\/\.)[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}$/

/** A queue's or a schedule's name: a type without `/`. */
export const QUEUE_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,127}$/

export const TYPE_HELP =
  'a type is 1 to 128 of A-Z a-z 0-9 _ . : / - that begin with a letter or digit; no part between slashes begins with a dot'
export const QUEUE_HELP = 'a queue name is 1 to 128 of A-Z a-z 0-9 _ . : - that begin with a letter or digit'
export const KEY_HELP = 'a key is 1 to 255 bytes of UTF-8 without control characters'
export const TAG_HELP = 'a tag is 1 to 128 characters without control characters'

// They cannot travel in a header, break lists apart and come from mangled input, never from a person's choice.
const CONTROL = /[\0-\x1f\x7f-\x9f]/

export const isTypeName = (text: unknown): text is string => typeof text === 'string' && TYPE_PATTERN.test(text)

export const isQueueName = (text: unknown): text is string => typeof text === 'string' && QUEUE_PATTERN.test(text)

/** True for text that can be an idempotency, concurrency or group key: 1 to 255 bytes, whole characters, no controls. */
export function isKey(text: unknown): text is string {
  return isPlain(text) && text.length <= 255 && utf8Bytes(text) <= 255
}

/** True for text that can be a tag: 1 to 128 characters (code points, as PostgreSQL counts), no controls. */
export function isTag(text: unknown): text is string {
  return isPlain(text) && text.length <= 256 && (text.length <= 128 || Array.from(text).length <= 128)
}

function isPlain(text: unknown): text is string {
  return typeof text === 'string' && text !== '' && text.length <= 512 && !CONTROL.test(text) && !hasLoneSurrogate(text)
}
