import { createLedger } from '../ledger.js'
import { untilCompleted } from './drain.js'

const REPORT_EVERY_MS = 5

/**
 * A worker that its parent starts and stops, for the cases with several processes. It says how many handler calls it
 * has seen (`handled`), on `look` how many jobs are unfinished (`depth`), on `finish` waits until there are none
 * (`finished`, with the failure if there are some after all), with `sayStarts` when each handler began (`began`); with
 * `workers` it is so many of them. It results in how often it saw each number.
 */
export async function work(system, { mostJobs, concurrency, workers = 1, sayStarts, idle }, parent) {
  const ledger = createLedger(mostJobs)
  const stopped = parent.heard('stop')
  void parent.heard('finish').then(async () => parent.say('finished', await untilCompleted(system)))
  parent.on('look', async () => parent.say('depth', await system.unfinished()))
  const started = parent.heard('start')
  parent.say('ready')
  await started

  const cpuBefore = process.cpuUsage()
  const saying = (n) => {
    parent.say('began', { n, at: process.hrtime.bigint() })
    ledger.see(n)
  }
  const handle = sayStarts ? saying : (n) => ledger.see(n)
  const stops = await Promise.all(Array.from({ length: workers }, () => system.drain({ concurrency, handle })))
  parent.say('working')
  let reported = 0
  // An idle one is not to be woken by this.
  const report = idle
    ? undefined
    : setInterval(() => {
        if (ledger.calls > reported) parent.say('handled', (reported = ledger.calls))
      }, REPORT_EVERY_MS)
  await stopped
  const cpu = process.cpuUsage(cpuBefore)
  await Promise.all(stops.map((stop) => stop()))
  clearInterval(report)
  return {
    handled: ledger.calls,
    seen: ledger.seen(),
    workerCpuMs: (cpu.user + cpu.system) / 1000,
    workerPeakMb: process.resourceUsage().maxRSS / 1024,
    failure: null,
  }
}
