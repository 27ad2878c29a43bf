import { FIRST_CORE, OTHER_CORES } from '../cores.js'
import { memoryMb } from '../process-figures.js'
import { startServer } from '../servers.js'

/** Jobs over HTTP: the server on the first core alone where that can be had, whoever sends on the others. */
export async function runPost({ form, connections, perCall, upTo }, system, { sizes, store, start }) {
  const setUp = await start('set-up', {}).result
  if (setUp.failure) return setUp
  await store.settle()

  const server = await startServer(system, store, FIRST_CORE)
  try {
    const before = memoryMb(server.pid)
    const forMs = upTo ? Infinity : sizes.seconds * 1000
    const options = { url: server.url, form, connections, perCall, forMs, mostJobs: upTo ? sizes[upTo] : Infinity }
    const posted = await start('post', options, { command: OTHER_CORES }).result
    const after = memoryMb(server.pid)
    return { ...posted, serverRssMb: after?.now, serverGrewMb: after && after.peak - before.now }
  } finally {
    await server.stop()
  }
}
