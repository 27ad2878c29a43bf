import { setTimeout as sleep } from 'node:timers/promises'
import { createLedger } from '../ledger.js'
import { percentile } from '../statistics.js'

const WARM_UP_CALLS = 5
const NOT_STARTED_AFTER_MS = 30_000
// A pause of its own before each call: a fixed one could meet a poller always in the same phase.
const PAUSE_MS = 20
const PAUSE_SPREAD_MS = 40

/** From the call of enqueue in one process to the start of the handler in another, one job at a time on an idle queue. */
export async function runStartLatency({ concurrency }, _system, { sizes, store, start }) {
  const setUp = await start('set-up', {}).result
  if (setUp.failure) return setUp
  await store.settle()

  const calls = sizes.latencies + WARM_UP_CALLS
  const worker = start('work', { mostJobs: calls, concurrency, sayStarts: true })
  const caller = start('call-one', {})
  await Promise.all([worker.once('ready'), caller.once('ready')])
  worker.tell('start')
  await worker.once('working')

  const latencies = []
  for (let n = 0; n < calls; n += 1) {
    await sleep(PAUSE_MS + Math.random() * PAUSE_SPREAD_MS)
    const both = Promise.all([caller.once('called'), worker.once('began')])
    caller.tell('next')
    const pair = await Promise.race([both, sleep(NOT_STARTED_AFTER_MS, null, { ref: false })])
    if (!pair) return { failure: `job ${n} had not started after ${NOT_STARTED_AFTER_MS} ms` }
    const [called, began] = pair
    if (called.n !== began.n) return { failure: `job ${began.n} started where job ${called.n} was enqueued` }
    if (n >= WARM_UP_CALLS) latencies.push(Number(BigInt(began.at) - BigInt(called.at)) / 1e6)
  }

  caller.tell('stop')
  worker.tell('finish')
  const unfinished = await worker.once('finished')
  worker.tell('stop')
  const { seen, failure, ...figures } = await worker.result
  const ledger = createLedger(calls)
  if (seen) ledger.add(seen)
  return {
    ...figures,
    jobs: calls,
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    maxMs: Math.max(...latencies),
    failure: unfinished ?? failure ?? ledger.mismatch(),
  }
}
