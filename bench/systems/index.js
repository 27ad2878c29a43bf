import { NODE_20 } from '../nodes.js'

/**
 * Every system that is measured, one line each. `file` holds its adapter; `tuned` chooses between what its own
 * documentation recommends for throughput and its defaults. `drainJobs` bounds the waiting jobs of a drain for
 * systems that would take minutes over the usual number, and `store` says what it needs. `node` starts
 * its processes where that is not the Node of all. The last ones are no queues.
 *
 * An adapter exports `open({ databaseUrl, redis, tuned })`, which starts nothing and resolves to
 *   setup()                          makes its tables in a fresh store
 *   enqueueOne(payload)              resolves when the job is acknowledged
 *   enqueueMany(payloads, feature)   resolves when all of them are, in one call of the system's own
 *   storedNumbers()                  the job numbers (payload.n) of all waiting jobs
 *   drain({ concurrency, handle, feature })
 *                                    starts a worker that calls `handle(n)` for each job, and waits where that
 *                                    gives a promise; resolves to its stop()
 *   unfinished()                     how many jobs are not completed
 *   fillHistory(count)               makes so many finished jobs, where the system keeps them
 *   fillScheduled(count)             makes so many jobs for tomorrow, where the system has such
 *   teardown()                       closes every connection
 * and, where it has a server, `serverArguments({ databaseUrl })`, what node is to run,
 * and `commandLines({ databaseUrl })`, where it has a command line.
 */
export const SYSTEMS = [
  { name: 'forgeq', file: './forgeq.js', store: 'postgres', tuned: false },
  ...(NODE_20 ? [{ name: 'forgeq-node20', file: './forgeq.js', store: 'postgres', tuned: false, node: NODE_20 }] : []),
  { name: 'floor', file: './floor.js', store: 'postgres', tuned: true },
  { name: 'graphile-worker', file: './graphile-worker.js', store: 'postgres', tuned: true },
  {
    name: 'graphile-worker-default',
    file: './graphile-worker.js',
    store: 'postgres',
    tuned: false,
    drainJobs: () => 20_000,
  },
  { name: 'pg-boss', file: './pg-boss.js', store: 'postgres', tuned: true },
  // Each of its pollers takes one job every two seconds.
  {
    name: 'pg-boss-default',
    file: './pg-boss.js',
    store: 'postgres',
    tuned: false,
    drainJobs: (concurrency) => concurrency * 6,
  },
  { name: 'bullmq-postgres', file: './bullmq.js', store: 'postgres', tuned: true, drainJobs: () => 20_000 },
  { name: 'bullmq', file: './bullmq.js', store: 'redis', tuned: true, fsync: false },
  { name: 'bullmq-fsync', file: './bullmq.js', store: 'redis', tuned: true, fsync: true },
  { name: 'bare-hono', file: './bare-hono.js', store: 'none' },
  { name: 'bare-node', file: './bare-node.js', store: 'none' },
]
