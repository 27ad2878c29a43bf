import { EventEmitter, once } from 'node:events'
import { callOne } from './call-one.js'
import { measureDrain, measurePartOf } from './drain.js'
import { measureEnqueue } from './enqueue.js'
import { fill } from './fill.js'
import { post } from './post.js'
import { produce } from './produce.js'
import { work } from './work.js'

const ROLES = {
  'set-up': setUp,
  stored,
  fill,
  enqueue: measureEnqueue,
  drain: measureDrain,
  part: measurePartOf,
  work,
  produce,
  'call-one': callOne,
  post,
}

const orders = new EventEmitter()
const parent = {
  say: (event, value) => process.send({ event, value }),
  on: (order, hear) => orders.on(order, hear),
  heard: async (order) => (await once(orders, order))[0],
}

/** One role of one system in a process of its own, started by `startRole`; sends back what it measured. */
process.once('message', (message) => {
  process.on('message', ({ order, value }) => orders.emit(order, value))
  void measure(message).then(
    (result) => process.send({ result }, () => process.exit(0)),
    (error) => process.send({ result: { failure: error.stack ?? String(error) } }, () => process.exit(1)),
  )
})
process.once('disconnect', () => process.exit(1))

async function measure({ file, tuned, store, role, options }) {
  const { open } = await import(new URL(`../systems/${file}`, import.meta.url).href)
  const system = await open({ ...store, tuned })
  const result = await ROLES[role](system, options, parent)
  await system.teardown()
  return result
}

async function setUp(system) {
  await system.setup()
  return { failure: null }
}

async function stored(system) {
  return { numbers: await system.storedNumbers(), failure: null }
}
