import { payloadsFrom } from './payload.js'

const PER_CALL = 1_000
const BYTES_A_CALL = 4_000_000

/**
 * Makes the store that a worker is then measured on, in a process of its own: `jobs` waiting ones, beside them
 * `history` finished and `scheduled` later ones where the case wants them.
 */
export async function fill(system, { jobs, payloadBytes = 0, history = 0, scheduled = 0, feature }) {
  await system.setup()
  if (history > 0) await system.fillHistory(history)
  if (scheduled > 0) await system.fillScheduled(scheduled)

  const perCall = payloadBytes ? Math.max(1, Math.floor(BYTES_A_CALL / payloadBytes)) : PER_CALL
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  for (let from = 0; from < jobs; from += perCall) {
    await system.enqueueMany(payloadsFrom(from, Math.min(perCall, jobs - from), payloadBytes), feature)
  }
  const cpu = process.cpuUsage(cpuBefore)
  return {
    filledPerSecond: (jobs / (performance.now() - startedAt)) * 1000,
    fillCpuMs: (cpu.user + cpu.system) / 1000,
    failure: null,
  }
}
