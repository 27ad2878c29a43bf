import { setTimeout } from 'node:timers/promises'
import { createLedger } from '../ledger.js'
import { payloadsFrom } from './payload.js'

const PER_CALL = 1_000
const STALLED_AFTER_MS = 60_000
const COMPLETED_WITHIN_MS = 30_000
const COMPLETED_LOOK_MS = 5

/** Puts the jobs there that `measureDrain` takes, in a process of its own. */
export async function fill(system, { jobs }) {
  await system.setup()
  for (let from = 0; from < jobs; from += PER_CALL) {
    await system.enqueueMany(payloadsFrom(from, Math.min(PER_CALL, jobs - from)))
  }
  return { failure: null }
}

/**
 * Runs one worker until every waiting job is completed. The time begins with the call that starts the worker and ends
 * when the store holds no unfinished job: by handler calls alone, a system that fetches or completes thousands at a
 * time would look faster than it is. `startMs` is the part of it before the first handler call. Each number must have
 * been seen once.
 */
export async function measureDrain(system, { jobs, concurrency }) {
  const ledger = createLedger(jobs)
  const all = Promise.withResolvers()
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  const stop = await system.drain({
    concurrency,
    handle(n) {
      ledger.see(n)
      if (ledger.calls === jobs) all.resolve()
    },
  })
  const failure = (await untilStalled(ledger, all.promise)) ?? (await untilCompleted(system))
  const elapsedMs = performance.now() - startedAt
  const cpu = process.cpuUsage(cpuBefore)
  await stop()

  return {
    jobs,
    elapsedMs,
    perSecond: (jobs / elapsedMs) * 1000,
    startMs: ledger.firstAt - startedAt,
    workerCpuMs: (cpu.user + cpu.system) / 1000,
    workerPeakMb: process.resourceUsage().maxRSS / 1024,
    failure: failure ?? ledger.mismatch(),
  }
}

/** Null when the store holds no unfinished job any more, or what is left after half a minute. */
export async function untilCompleted(system) {
  const deadline = performance.now() + COMPLETED_WITHIN_MS
  for (;;) {
    const left = await system.unfinished()
    if (left === 0) return null
    if (performance.now() > deadline) return `${left} jobs were run but not completed`
    await setTimeout(COMPLETED_LOOK_MS)
  }
}

async function untilStalled(ledger, done) {
  for (let before = -1; ; before = ledger.calls) {
    const giveUp = new AbortController()
    const pause = setTimeout(STALLED_AFTER_MS, 'pause', { signal: giveUp.signal }).catch(() => {})
    const outcome = await Promise.race([done, pause])
    giveUp.abort()
    if (outcome !== 'pause') return null
    if (ledger.calls === before) return `stopped after ${ledger.calls} handler calls`
  }
}
