/** One worker process over a filled store. */
export async function runDrain({ concurrency }, system, { sizes, store, start }) {
  const jobs = Math.min(sizes.jobs, system.drainJobs?.(concurrency) ?? sizes.jobs)
  const filled = await start('fill', { jobs }).result
  if (filled.failure) return filled
  await store.settle()
  return await start('drain', { jobs, concurrency }).result
}
