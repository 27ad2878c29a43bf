import { deferred } from '../deferred.js'
import { payloadOf } from './payload.js'

/**
 * Enqueues one job at each order `next` and says when the call was made (`called`: the number and the nanoseconds of the
 * machine's monotonic clock, which all processes share), until the order `stop`.
 */
export async function callOne(system, _options, parent) {
  let n = 0
  const failed = deferred()
  parent.on('next', async () => {
    const number = n++
    const at = process.hrtime.bigint()
    parent.say('called', { n: number, at })
    await system.enqueueOne(payloadOf(number)).catch(failed.reject)
  })
  const stopped = parent.heard('stop')
  parent.say('ready')
  await Promise.race([stopped, failed.promise])
  return { failure: null }
}
