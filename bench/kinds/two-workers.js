import { createLedger } from '../ledger.js'
import { untilHandled } from './until-handled.js'

/** Two worker processes over one filled store: no number may have been seen by both. */
export async function runTwoWorkers({ concurrency }, _system, { sizes, store, start }) {
  const { jobs } = sizes
  const filled = await start('fill', { jobs }).result
  if (filled.failure) return filled
  await store.settle()

  const workers = [1, 2].map(() => start('work', { mostJobs: jobs, concurrency }))
  await Promise.all(workers.map((worker) => worker.once('ready')))
  const handled = untilHandled(workers, jobs)
  const startedAt = performance.now()
  for (const worker of workers) worker.tell('start')
  const stalled = await handled
  workers[0].tell('finish')
  const unfinished = stalled ?? (await workers[0].once('finished'))
  const elapsedMs = performance.now() - startedAt

  for (const worker of workers) worker.tell('stop')
  const results = await Promise.all(workers.map(({ result }) => result))
  const ledger = createLedger(jobs)
  for (const { seen } of results) if (seen) ledger.add(seen)
  return {
    jobs,
    elapsedMs,
    perSecond: (jobs / elapsedMs) * 1000,
    handledByEach: results.map(({ handled: calls }) => calls),
    failure: unfinished ?? results.find(({ failure }) => failure)?.failure ?? ledger.mismatch(),
  }
}
