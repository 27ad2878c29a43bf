import { randomBytes } from 'node:crypto'

const MOST_BYTES = 1_048_576
let noise // Made by the first large payload: text that does not compress to nothing.

/** The job of every case: a number to count it by and a few fields as a real job has them; `bytes` more when told. */
export function payloadOf(n, bytes = 0) {
  const payload = { n, email: `user${n}@example.com`, template: 'welcome', locale: 'en' }
  if (bytes === 0) return payload
  noise ??= randomBytes(MOST_BYTES).toString('base64')
  const from = (n * 997) % (noise.length - bytes)
  return { ...payload, attachment: noise.slice(from, from + bytes) }
}

/** `count` payloads from job number `from` on. */
export function payloadsFrom(from, count, bytes) {
  return Array.from({ length: count }, (_, index) => payloadOf(from + index, bytes))
}
