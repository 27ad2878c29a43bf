import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const PROCESS = fileURLToPath(new URL('./measure/process.js', import.meta.url))

/** One measurement of one system: a fresh store, the roles of the case in processes of their own, one result. */
export async function runCase(benchCase, system, { jobs, enqueueMs, stores }) {
  const store = await stores[system.store].open(system)
  try {
    if (benchCase.kind === 'enqueue') {
      const { callers, perCall } = benchCase
      await store.settle()
      return await inOwnProcess(system, store, 'enqueue', {
        callers,
        perCall,
        forMs: perCall === 1 ? enqueueMs : Infinity,
        mostJobs: perCall === 1 ? Infinity : jobs,
      })
    }
    const { concurrency } = benchCase
    const waiting = Math.min(jobs, system.drainJobs?.(concurrency) ?? jobs)
    const filled = await inOwnProcess(system, store, 'fill', { jobs: waiting })
    if (filled.failure) return filled
    await store.settle()
    return await inOwnProcess(system, store, 'drain', { jobs: waiting, concurrency })
  } finally {
    await store.drop()
  }
}

function inOwnProcess(system, store, role, options) {
  const child = fork(PROCESS, { serialization: 'advanced' })
  const { file, tuned } = system
  child.send({ file, tuned, store: store.address, role, options })
  return new Promise((resolve) => {
    let result = { failure: `the ${role} process ended without a result` }
    child.on('message', (message) => (result = message))
    child.on('exit', () => resolve(result))
  })
}
