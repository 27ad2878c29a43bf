import { createLedger } from '../ledger.js'
import { untilHandled } from './until-handled.js'

const MOST_A_SECOND = 200_000
const SAMPLE_MS = 500

/**
 * Producers and a worker together on the same cores: what is finished a second while both work, and how many jobs wait
 * when the producers stop. `depths` follows the queue: flat when the worker keeps up. What is left is then worked off and
 * counted.
 */
export async function runSustained({ callers, concurrency }, _system, { sizes, store, start }) {
  const setUp = await start('set-up', {}).result
  if (setUp.failure) return setUp
  await store.settle()

  const mostJobs = sizes.sustained * MOST_A_SECOND
  const worker = start('work', { mostJobs, concurrency })
  const producer = start('produce', { callers, forMs: sizes.sustained * 1000 })
  await Promise.all([worker.once('ready'), producer.once('ready')])
  let handled = 0
  worker.on('handled', (calls) => (handled = calls))
  worker.tell('start')
  await worker.once('working')

  const depths = []
  const sample = setInterval(() => worker.tell('look'), SAMPLE_MS)
  worker.on('depth', (depth) => depths.push(depth))
  producer.tell('start')
  const { enqueued, producedMs, failure } = await producer.result
  clearInterval(sample)
  if (failure) return { failure }
  const calls = handled
  worker.tell('look')
  const depthAtEnd = await worker.once('depth')

  const stalled = await untilHandled([worker], enqueued, [handled])
  worker.tell('finish')
  const unfinished = stalled ?? (await worker.once('finished'))
  worker.tell('stop')
  const { seen, failure: broken, ...figures } = await worker.result
  const ledger = createLedger(mostJobs)
  if (seen) ledger.add(seen)
  return {
    ...figures,
    jobs: enqueued,
    elapsedMs: producedMs,
    perSecond: (Math.min(calls, enqueued - depthAtEnd) / producedMs) * 1000,
    enqueuedPerSecond: (enqueued / producedMs) * 1000,
    depthAtEnd,
    depths,
    failure: unfinished ?? broken ?? ledger.mismatch(enqueued),
  }
}
