import { cpuSecondsOfAll } from '../process-figures.js'

/** The CPU time of a job's whole life with one of ForgeQ's features: of who enqueues it, of its worker, of PostgreSQL. */
export async function runFeature({ feature, concurrency }, _system, { sizes, store, start }) {
  const jobs = sizes.features
  const setUp = await start('set-up', {}).result
  if (setUp.failure) return setUp
  await store.settle()

  const postmaster = await store.postmasterPid()
  const before = cpuSecondsOfAll(postmaster)
  const filled = await start('fill', { jobs, feature }).result
  if (filled.failure) return filled
  const drained = await start('drain', { jobs, concurrency, feature }).result
  const after = cpuSecondsOfAll(postmaster)
  const microseconds = (ms) => (ms * 1_000) / jobs
  return {
    jobs,
    enqueueCpuUs: microseconds(filled.fillCpuMs),
    workerCpuUs: microseconds(drained.workerCpuMs),
    databaseCpuUs: before === undefined ? undefined : microseconds((after - before) * 1_000),
    failure: drained.failure,
  }
}
