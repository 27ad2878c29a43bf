import { runCli } from './kinds/cli.js'
import { runDrain } from './kinds/drain.js'
import { runEnqueue } from './kinds/enqueue.js'
import { runFeature } from './kinds/feature.js'
import { runFootprint } from './kinds/footprint.js'
import { runIdle } from './kinds/idle.js'
import { runPost } from './kinds/post.js'
import { runStartLatency } from './kinds/start-latency.js'
import { runSustained } from './kinds/sustained.js'
import { runTwoWorkers } from './kinds/two-workers.js'
import { startRole } from './processes.js'

const KINDS = {
  enqueue: runEnqueue,
  drain: runDrain,
  'two-workers': runTwoWorkers,
  sustained: runSustained,
  post: runPost,
  idle: runIdle,
  cli: runCli,
  footprint: runFootprint,
  feature: runFeature,
  'start-latency': runStartLatency,
}

/** One measurement of one system: a fresh store, the roles of the case in processes of their own, one result. */
export async function runCase(benchCase, system, { sizes, stores }) {
  const store = await stores[system.store].open(system)
  const started = []
  const start = (role, options, how) => {
    const member = startRole(system, store, role, options, how)
    started.push(member)
    return member
  }
  try {
    return await KINDS[benchCase.kind](benchCase, system, { sizes, store, start })
  } catch (error) {
    return { failure: error.stack ?? String(error) }
  } finally {
    for (const member of started) member.kill()
    await Promise.all(started.map(({ result }) => result))
    await store.drop()
  }
}
