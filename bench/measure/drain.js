import { setTimeout as sleep } from 'node:timers/promises'
import { deferred } from '../deferred.js'
import { createLedger } from '../ledger.js'

const STALLED_AFTER_MS = 60_000
const COMPLETED_WITHIN_MS = 30_000
const COMPLETED_LOOK_MS = 5

/**
 * Runs one worker until every waiting job is completed. The time begins with the call that starts the worker and ends
 * when the store holds no unfinished job: by handler calls alone, a system that fetches or completes thousands at a
 * time would look faster than it is. `startMs` is the part of it before the first handler call. Each number must have
 * been seen once.
 */
export async function measureDrain(system, { jobs, concurrency, handlerMs, feature }) {
  const worker = await startWorker(system, { jobs, concurrency, handlerMs, feature, mostJobs: jobs })
  const failure = (await worker.untilCalled()) ?? (await untilCompleted(system))
  const figures = worker.figures(jobs)
  await worker.stop()
  return { ...figures, failure: failure ?? worker.ledger.mismatch() }
}

/**
 * Runs one worker over `jobs` jobs of a store that holds more: `waiting` to run and `scheduled` for later. With the last
 * of these calls the clock stops and the store is asked what is left; the rate is what it then held as finished over the
 * time. Each number must have been seen, or wait, once.
 */
export async function measurePartOf(system, { jobs, concurrency, waiting, scheduled = 0 }) {
  const worker = await startWorker(system, { jobs, concurrency, mostJobs: waiting })
  const stalled = await worker.untilCalled()
  const elapsed = worker.figures(jobs)
  const finished = waiting + scheduled - (await system.unfinished())
  await worker.stop()

  const { ledger } = worker
  const left = (await system.unfinished()) - scheduled
  const stuck =
    left === waiting - ledger.calls ? null : `${left} of ${waiting} jobs are left after ${ledger.calls} calls`
  for (const n of await system.storedNumbers()) ledger.see(n)
  return {
    ...elapsed,
    jobs: finished,
    perSecond: (finished / elapsed.elapsedMs) * 1000,
    failure: stalled ?? ledger.mismatch() ?? stuck,
  }
}

async function startWorker(system, { jobs, concurrency, handlerMs, feature, mostJobs }) {
  const ledger = createLedger(mostJobs)
  const all = deferred()
  const cpuBefore = process.cpuUsage()
  const startedAt = performance.now()
  const stop = await system.drain({
    concurrency,
    feature,
    handle(n) {
      ledger.see(n)
      if (ledger.calls === jobs) all.resolve()
      if (handlerMs) return sleep(handlerMs)
    },
  })
  return {
    ledger,
    stop,
    untilCalled: () => untilStalled(ledger, all.promise),
    figures(done) {
      const elapsedMs = performance.now() - startedAt
      const cpu = process.cpuUsage(cpuBefore)
      return {
        jobs: done,
        elapsedMs,
        perSecond: (done / elapsedMs) * 1000,
        startMs: ledger.firstAt - startedAt,
        workerCpuMs: (cpu.user + cpu.system) / 1000,
        workerPeakMb: process.resourceUsage().maxRSS / 1024,
      }
    },
  }
}

/** Null when the store holds no unfinished job any more, or what is left after half a minute. */
export async function untilCompleted(system) {
  const deadline = performance.now() + COMPLETED_WITHIN_MS
  for (;;) {
    const left = await system.unfinished()
    if (left === 0) return null
    if (performance.now() > deadline) return `${left} jobs were run but not completed`
    await sleep(COMPLETED_LOOK_MS)
  }
}

async function untilStalled(ledger, done) {
  for (let before = -1; ; before = ledger.calls) {
    const giveUp = new AbortController()
    const pause = sleep(STALLED_AFTER_MS, 'pause', { signal: giveUp.signal }).catch(() => {})
    const outcome = await Promise.race([done, pause])
    giveUp.abort()
    if (outcome !== 'pause') return null
    if (ledger.calls === before) return `stopped after ${ledger.calls} handler calls`
  }
}
