import { payloadOf } from './payload.js'

/**
 * `callers` concurrent callers that enqueue one by one from the order `start` on, each waiting for its acknowledgement,
 * for `forMs`. Results in how many jobs were acknowledged and how long that took.
 */
export async function produce(system, { callers, forMs }, parent) {
  const started = parent.heard('start')
  parent.say('ready')
  await started

  let next = 0
  const startedAt = performance.now()
  const caller = async () => {
    while (performance.now() - startedAt < forMs) await system.enqueueOne(payloadOf(next++))
  }
  await Promise.all(Array.from({ length: callers }, caller))
  return { enqueued: next, producedMs: performance.now() - startedAt, failure: null }
}
