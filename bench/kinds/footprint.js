import { setTimeout as sleep } from 'node:timers/promises'
import { walSince } from '../stores/wal.js'

const SETTLED_AFTER_MS = 3_000

/** What the life of a job, from the enqueue to its end, writes: bytes of write-ahead log and entries of indexes. */
export async function runFootprint({ concurrency }, _system, { sizes, store, start }) {
  const { jobs } = sizes
  const setUp = await start('set-up', {}).result
  if (setUp.failure) return setUp
  // A first worker makes what is made once, such as the partitions of a history.
  const first = start('work', { mostJobs: 1, concurrency })
  await first.once('ready')
  first.tell('start')
  await first.once('working')
  await sleep(SETTLED_AFTER_MS)
  first.tell('stop')
  await first.result
  await store.settle()

  const from = await store.walPosition()
  const produced = await start('enqueue', { callers: 32, perCall: 1, forMs: Infinity, mostJobs: jobs }).result
  if (produced.failure) return produced
  const drained = await start('drain', { jobs: produced.stored, concurrency }).result
  const { bytes, records, indexEntries } = await walSince(store.query, from)
  const per = (count) => count / produced.stored
  return {
    jobs: produced.stored,
    walBytes: per(bytes),
    walRecords: per(records),
    indexEntries: per(indexEntries),
    failure: drained.failure,
  }
}
