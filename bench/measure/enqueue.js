import { createLedger } from '../ledger.js'
import { payloadOf, payloadsFrom } from './payload.js'

const WARM_UP_MS = 500

/**
 * Enqueues from `callers` concurrent callers for `forMs`, each waiting for its acknowledgement before its next call,
 * `perCall` jobs a call; `mostJobs` ends it early. Every acknowledged job must then be stored once, and no other.
 */
export async function measureEnqueue(system, { callers, perCall, forMs, mostJobs }) {
  await system.setup()
  let next = 0
  const enqueueUntil = async (deadline, end) => {
    const caller = async () => {
      while (performance.now() < deadline && next < end) {
        const from = next
        next += perCall
        if (perCall === 1) await system.enqueueOne(payloadOf(from))
        else await system.enqueueMany(payloadsFrom(from, perCall))
      }
    }
    await Promise.all(Array.from({ length: callers }, caller))
  }

  await enqueueUntil(performance.now() + WARM_UP_MS, mostJobs / 10)
  const before = next
  const startedAt = performance.now()
  await enqueueUntil(startedAt + forMs, before + mostJobs)
  const elapsedMs = performance.now() - startedAt

  const ledger = createLedger(next)
  for (const n of await system.storedNumbers()) ledger.see(n)
  return {
    jobs: next - before,
    stored: next,
    elapsedMs,
    perSecond: ((next - before) / elapsedMs) * 1000,
    failure: ledger.mismatch(),
  }
}
