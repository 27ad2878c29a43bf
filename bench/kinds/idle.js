import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds } from '../process-figures.js'
import { startServer } from '../servers.js'

// What a start has to do is done by then, and PostgreSQL has counted it: an idle backend hands its counts in after 10 s.
const SETTLED_AFTER_MS = 12_000

/** What workers, or a server, cost while there is nothing to do. */
export async function runIdle({ workers = 1, concurrency, role }, system, { sizes, store, start }) {
  const setUp = await start('set-up', {}).result
  if (setUp.failure) return setUp
  await store.settle()

  const server = role === 'server' ? await startServer(system, store) : undefined
  try {
    const running = server ? [server] : await startWorkers(start, workers, concurrency)
    await sleep(SETTLED_AFTER_MS)
    const before = await look(running, store)
    await sleep(sizes.idle * 1000)
    const after = await look(running, store)
    const seconds = (after.at - before.at) / 1000
    const rate = (name) => (before[name] === undefined ? undefined : (after[name] - before[name]) / seconds)
    return {
      elapsedMs: seconds * 1000,
      transactionsPerSecond: rate('transactions'),
      cpuSecondsAMinute: rate('cpu') && rate('cpu') * 60,
      databaseCorePercent: rate('databaseCpu') && rate('databaseCpu') * 100,
      failure: null,
    }
  } finally {
    await server?.stop()
  }
}

async function startWorkers(start, count, concurrency) {
  const workers = Array.from({ length: count }, () => start('work', { mostJobs: 1, concurrency }))
  await Promise.all(workers.map((worker) => worker.once('ready')))
  for (const worker of workers) worker.tell('start')
  await Promise.all(workers.map((worker) => worker.once('working')))
  return workers
}

async function look(processes, store) {
  const { transactions, pids = [] } = (await store.activity?.()) ?? {}
  const sum = (values) => values.reduce((all, one) => all + one, 0)
  return {
    at: performance.now(),
    transactions,
    cpu: sum(processes.map(({ pid }) => cpuSeconds(pid))),
    databaseCpu: transactions === undefined ? undefined : sum(pids.map(cpuSeconds)),
  }
}
