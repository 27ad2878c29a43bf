/** The job of every case: a number to count it by and a few fields as a real job has them. */
export function payloadOf(n) {
  return { n, email: `user${n}@example.com`, template: 'welcome', locale: 'en' }
}

/** `count` payloads from job number `from` on. */
export function payloadsFrom(from, count) {
  return Array.from({ length: count }, (_, index) => payloadOf(from + index))
}
