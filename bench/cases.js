import { FEATURES } from './systems/forgeq-features.js'

const QUEUES = [
  'forgeq',
  'forgeq-node20',
  'floor',
  'graphile-worker',
  'graphile-worker-default',
  'pg-boss',
  'pg-boss-default',
  'bullmq-postgres',
  'bullmq',
  'bullmq-fsync',
]
const TUNED_ON_SQL = ['forgeq', 'floor', 'graphile-worker', 'pg-boss']
const SQL = [...TUNED_ON_SQL, 'bullmq-postgres']
const TUNED = [...TUNED_ON_SQL, 'bullmq']

const rate = { name: 'perSecond', unit: 'jobs/s', better: 'more' }
const p50 = { name: 'p50Ms', unit: 'p50 ms', better: 'less' }
const p99 = { name: 'p99Ms', unit: 'p99 ms', better: 'less' }
const IDLE = [
  { name: 'statementsPerSecond', unit: 'statements/s', better: 'less' },
  { name: 'transactionsPerSecond', unit: 'transactions/s', better: 'less' },
  { name: 'cpuSecondsAMinute', unit: 'CPU s/min', better: 'less' },
  { name: 'databaseCorePercent', unit: '% of a core in PG', better: 'less' },
  { name: 'connections', unit: 'connections', better: 'less' },
]
// Loaded, but counting only where a case says so: the others are measured as if it were not there.
const COUNTING = { shared_preload_libraries: 'pg_stat_statements', 'pg_stat_statements.track': 'none' }
const peak = { name: 'workerPeakMb', unit: 'MB peak', better: 'less' }

/**
 * What is measured, in the order of the tables, a table a group. `systems` take part, `floor` is what ForgeQ is set
 * against, `besides` names the case whose figure says what this one costs, `isRow` makes the case a row of its table
 * instead of a column. An `optional` case runs when it is named. `postgres` are settings that the embedded server needs
 * for it.
 */
export const CASES = [
  { name: 'enqueue-1', group: 'enqueue', kind: 'enqueue', callers: 1, perCall: 1 },
  { name: 'enqueue-32', group: 'enqueue', kind: 'enqueue', callers: 32, perCall: 1 },
  { name: 'enqueue-1000', group: 'enqueue', kind: 'enqueue', callers: 1, perCall: 1_000 },

  { name: 'drain-10', group: 'drain', kind: 'drain', concurrency: 10 },
  { name: 'drain-100', group: 'drain', kind: 'drain', concurrency: 100, figures: [rate, peak] },
  { name: 'two-workers', group: 'drain', kind: 'two-workers', concurrency: 100, systems: TUNED, besides: 'drain-100' },

  ...[
    { name: 'backlog-1m', waiting: 'backlog' },
    { name: 'backlog-10m', waiting: 'large-backlog', systems: TUNED_ON_SQL, optional: true },
    { name: 'snapshot', take: 'horizon', beside: 'snapshot', systems: SQL },
    { name: 'prepared', take: 'horizon', beside: 'prepared', systems: SQL },
    { name: 'history-10m', history: 'history', systems: ['forgeq', 'pg-boss'] },
    { name: 'scheduled-1m', scheduled: 'scheduled', systems: ['forgeq', 'graphile-worker', 'pg-boss', 'bullmq'] },
  ].map((one) => ({
    group: 'under a burden',
    kind: 'drain',
    concurrency: 100,
    systems: TUNED,
    besides: 'drain-100',
    ...one,
  })),

  {
    name: 'payload-100kb',
    group: 'other jobs',
    kind: 'drain',
    concurrency: 100,
    take: 'large',
    payloadBytes: 100_000,
    systems: TUNED,
    figures: [rate, { name: 'filledPerSecond', unit: 'jobs/s in', better: 'more' }, peak],
  },
  {
    name: 'slow-handlers',
    group: 'other jobs',
    kind: 'drain',
    concurrency: 1_000,
    take: 'slow',
    handlerMs: 50,
    systems: TUNED,
    figures: [rate, { name: 'ofIdeal', unit: 'of concurrency ÷ time', better: 'more' }],
  },

  {
    name: 'sustained',
    group: 'both at once',
    kind: 'sustained',
    callers: 32,
    concurrency: 100,
    systems: [...TUNED, 'bullmq-postgres', 'bullmq-fsync'],
    figures: [
      { ...rate, unit: 'finished/s' },
      { name: 'enqueuedPerSecond', unit: 'enqueued/s', better: 'more' },
      { name: 'depthAtEnd', unit: 'left at the end', better: 'less' },
    ],
  },
  {
    name: 'start-latency',
    group: 'both at once',
    kind: 'start-latency',
    concurrency: 10,
    systems: [...TUNED, 'graphile-worker-default', 'bullmq-postgres', 'bullmq-fsync'],
    figures: [p50, p99],
  },

  {
    name: 'post-jobs',
    group: 'HTTP',
    kind: 'post',
    form: 'one',
    connections: 32,
    perCall: 1,
    systems: ['forgeq', 'bare-hono'],
    floor: 'bare-hono',
    figures: [rate, p99],
  },
  ...[
    { name: 'bulk-http', form: 'bulk', perCall: 1_000, upTo: 'jobs' },
    { name: 'ndjson', form: 'ndjson', perCall: 10_000, upTo: 'lines' },
  ].map((one) => ({
    group: 'HTTP',
    kind: 'post',
    connections: 1,
    systems: ['forgeq'],
    besides: 'enqueue-1000',
    figures: [rate, { name: 'serverGrewMb', unit: 'MB grown', better: 'less' }],
    ...one,
  })),

  ...[
    { name: 'idle', workers: 1, systems: TUNED },
    { name: 'idle-20', workers: 20, systems: ['forgeq', 'graphile-worker-default', 'pg-boss-default'], optional: true },
    {
      name: 'idle-200',
      workers: 200,
      processes: 20,
      systems: ['forgeq'],
      optional: true,
      postgres: { ...COUNTING, max_connections: '1000' },
    },
    { name: 'idle-server', role: 'server', systems: ['forgeq'] },
  ].map((one) => ({ group: 'idle', kind: 'idle', concurrency: 10, figures: IDLE, postgres: COUNTING, ...one })),

  ...[
    { name: 'cli-version', command: 'version' },
    { name: 'cli-enqueue', command: 'enqueue', stored: true },
  ].map((one) => ({
    group: 'command line',
    kind: 'cli',
    systems: ['forgeq', 'bare-node'],
    floor: 'bare-node',
    figures: [{ name: 'wholeMs', unit: 'ms', better: 'less' }],
    ...one,
  })),

  {
    name: 'footprint',
    group: 'written a job',
    kind: 'footprint',
    concurrency: 100,
    systems: SQL,
    figures: [
      { name: 'walBytes', unit: 'WAL bytes', better: 'less' },
      { name: 'walRecords', unit: 'WAL records', better: 'less' },
      { name: 'indexEntries', unit: 'index entries', better: 'less' },
    ],
  },

  ...Object.keys(FEATURES).map((feature) => ({
    name: `with-${feature}`,
    group: 'features',
    kind: 'feature',
    feature,
    concurrency: 10,
    systems: ['forgeq'],
    besides: 'with-plain',
    isRow: true,
    figures: [
      { name: 'enqueueCpuUs', unit: 'µs enqueuer', better: 'less' },
      { name: 'workerCpuUs', unit: 'µs worker', better: 'less' },
      { name: 'databaseCpuUs', unit: 'µs PostgreSQL', better: 'less' },
    ],
  })),
].map((benchCase) => ({ systems: QUEUES, floor: 'floor', figures: [rate], optional: false, ...benchCase }))
