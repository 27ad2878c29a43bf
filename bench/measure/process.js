import { measureDrain, fill } from './drain.js'
import { measureEnqueue } from './enqueue.js'

const ROLES = { fill, drain: measureDrain, enqueue: measureEnqueue }

/** One role of one system in a process of its own, started by `inOwnProcess`; sends back what it measured. */
process.once('message', async ({ file, tuned, store, role, options }) => {
  try {
    const { open } = await import(new URL(`../systems/${file}`, import.meta.url).href)
    const system = await open({ ...store, tuned })
    const result = await ROLES[role](system, options)
    await system.teardown()
    process.send(result, () => process.exit(0))
  } catch (error) {
    process.send({ failure: error.stack ?? String(error) }, () => process.exit(1))
  }
})
