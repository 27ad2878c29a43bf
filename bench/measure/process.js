import { measureDrain, fill } from './drain.js'
import { measureEnqueue } from './enqueue.js'

const ROLES = { fill, drain: measureDrain, enqueue: measureEnqueue }

/** One role of one system in a process of its own, started by `inOwnProcess`; sends back what it measured. */
process.once('message', (message) => {
  void measure(message).then(
    (result) => process.send(result, () => process.exit(0)),
    (error) => process.send({ failure: error.stack ?? String(error) }, () => process.exit(1)),
  )
})
process.once('disconnect', () => process.exit(1))

async function measure({ file, tuned, store, role, options }) {
  const { open } = await import(new URL(`../systems/${file}`, import.meta.url).href)
  const system = await open({ ...store, tuned })
  const result = await ROLES[role](system, options)
  await system.teardown()
  return result
}
