/**
 * One worker process over a filled store. A case may say how much waits (`waiting`) and how much of that is taken
 * (`take`), what else the store holds (`history`, `scheduled`), each by the name of a size, and beside what kind of open
 * transaction it works (`beside`).
 */
export async function runDrain(benchCase, system, { sizes, store, start }) {
  const { concurrency, take = 'jobs', waiting = take, payloadBytes, handlerMs, beside } = benchCase
  const sizeOf = (name) => (name ? sizes[name] : 0)
  const jobs = Math.min(sizeOf(take), system.drainJobs?.(concurrency) ?? Infinity)
  const all = Math.max(jobs, waiting === take ? jobs : sizeOf(waiting))
  const history = sizeOf(benchCase.history)
  const scheduled = sizeOf(benchCase.scheduled)

  const filled = await start('fill', { jobs: all, payloadBytes, history, scheduled }).result
  if (filled.failure) return filled
  const release = beside && (await store.holdHorizon(beside))
  await store.settle()
  const isPart = all > jobs || scheduled > 0
  const { result } = isPart
    ? start('part', { jobs, concurrency, waiting: all, scheduled })
    : start('drain', { jobs, concurrency, handlerMs })
  const measured = await result
  await release?.()
  return {
    ...filled,
    ...measured,
    ...(handlerMs && { ofIdeal: measured.perSecond / ((concurrency * 1000) / handlerMs) }),
  }
}
