import { setTimeout as sleep } from 'node:timers/promises'
import { childrenCpuSeconds, cpuSeconds } from '../process-figures.js'
import { startServer } from '../servers.js'

// What a start has to do is done by then, and PostgreSQL has counted it: an idle backend hands its counts in after 10 s.
const SETTLED_AFTER_MS = 12_000

/** What workers, or a server, cost while there is nothing to do; `processes` share the workers, absent: one each. */
export async function runIdle(benchCase, system, { sizes, store, start }) {
  const { workers = 1, processes = workers, concurrency, role } = benchCase
  const setUp = await start('set-up', {}).result
  if (setUp.failure) return setUp
  await store.settle()
  await store.countStatements?.()

  const server = role === 'server' ? await startServer(system, store) : undefined
  try {
    const running = server
      ? [server]
      : await startWorkers(start, processes, { workers: workers / processes, concurrency })
    await sleep(SETTLED_AFTER_MS)
    const before = await look(running, store)
    await sleep(sizes.idle * 1000)
    const after = await look(running, store)
    const seconds = (after.at - before.at) / 1000
    const rate = (name) => (before[name] === undefined ? undefined : (after[name] - before[name]) / seconds)
    return {
      elapsedMs: seconds * 1000,
      statementsPerSecond: rate('statements'),
      transactionsPerSecond: rate('transactions'),
      cpuSecondsAMinute: rate('cpu') && rate('cpu') * 60,
      databaseCorePercent: rate('databaseCpu') && rate('databaseCpu') * 100,
      connections: after.connections,
      failure: null,
    }
  } finally {
    await server?.stop()
  }
}

async function startWorkers(start, processes, options) {
  const workers = Array.from({ length: processes }, () => start('work', { mostJobs: 1, idle: true, ...options }))
  await Promise.all(workers.map((worker) => worker.once('ready')))
  // One after the other: all at once their connections would not be made in time.
  for (const worker of workers) {
    worker.tell('start')
    await worker.once('working')
  }
  return workers
}

async function look(processes, store) {
  const { statements, transactions, postmaster, pids = [] } = (await store.activity?.()) ?? {}
  return {
    at: performance.now(),
    statements,
    transactions,
    connections: pids.length || undefined,
    cpu: processes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0),
    databaseCpu: postmaster && childrenCpuSeconds(postmaster, pids),
  }
}
