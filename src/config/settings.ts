const DAY_MS = 86_400_000

export type SettingGroup = 'database' | 'log' | 'server' | 'worker' | 'metrics' | 'loops' | 'limits'

export type Kind =
  | { is: 'text' | 'databaseUrl' | 'switch' | 'queues' }
  | { is: 'whole' | 'duration' | 'size'; min: number; max: number }
  | { is: 'choice'; of: readonly string[] }

/** One thing that can be set: by flag, by environment variable, by a key of the configuration file. */
export interface Setting {
  /** In the configuration file; a dot is a nesting. A duration is kept in `<key>Ms`, a size in `<key>Bytes`. */
  key: string
  flag: string
  /** The first that is set counts. */
  env: readonly string[]
  kind: Kind
  group: SettingGroup
  help: string
}

const duration = (min: number, max: number): Kind => ({ is: 'duration', min, max })
const whole = (min: number, max: number): Kind => ({ is: 'whole', min, max })
const size: Kind = { is: 'size', min: 1024, max: 64 * 1_048_576 }

function setting(group: SettingGroup, key: string, flag: string, kind: Kind, help: string, env?: string[]): Setting {
  const name = /^--(?:no-)?([a-z-]+)/.exec(flag)![1]!
  return { key, flag, env: env ?? [`FORGEQ_${name.replaceAll('-', '_').toUpperCase()}`], kind, group, help }
}

const YEARS_MS = 36_500 * DAY_MS

export const SETTINGS: readonly Setting[] = [
  setting(
    'database',
    'databaseUrl',
    '--database-url <url>',
    { is: 'databaseUrl' },
    'PostgreSQL to use instead of the embedded one',
    ['FORGEQ_DATABASE_URL', 'DATABASE_URL'],
  ),
  setting('database', 'dataDir', '--data-dir <folder>', { is: 'text' }, 'folder of the embedded PostgreSQL'),
  setting('database', 'poolSize', '--pool-size <number>', whole(2, 1000), 'database connections of one process'),
  setting(
    'database',
    'migrate',
    '--migrate',
    { is: 'switch' },
    'bring the schema of an external database up to date at start',
  ),
  setting(
    'log',
    'logLevel',
    '--log-level <level>',
    { is: 'choice', of: ['trace', 'debug', 'info', 'warn', 'error', 'silent'] },
    'least level that is logged',
  ),
  setting(
    'log',
    'logFormat',
    '--log-format <format>',
    { is: 'choice', of: ['auto', 'json', 'pretty'] },
    'auto: pretty on a terminal, JSON lines elsewhere',
  ),
  setting('server', 'host', '--host <address>', { is: 'text' }, 'address that the HTTP API listens on'),
  setting('server', 'port', '--port <number>', whole(0, 65_535), 'port of the HTTP API; 0 takes a free one'),
  setting('worker', 'concurrency', '--concurrency <number>', whole(1, 10_000), 'jobs run at once'),
  setting(
    'worker',
    'queues',
    '--queues <list>',
    { is: 'queues' },
    'queues to serve; emails=5,reports: at most 5 slots for emails',
  ),
  setting('worker', 'handlers', '--handlers <folder>', { is: 'text' }, 'folder of the handlers'),
  setting('worker', 'workerName', '--name <name>', { is: 'text' }, 'name of this worker', ['FORGEQ_WORKER_NAME']),
  setting(
    'worker',
    'grace',
    '--grace <duration>',
    duration(0, DAY_MS),
    'time that running jobs have to finish at shutdown',
  ),
  setting(
    'worker',
    'abortGrace',
    '--abort-grace <duration>',
    duration(0, DAY_MS),
    'time that an aborted handler has to end',
  ),
  setting(
    'worker',
    'stallLimit',
    '--stall-limit <duration>',
    duration(1_000, DAY_MS),
    'a worker that does not answer itself for this long is given up',
  ),
  setting(
    'worker',
    'lease',
    '--lease <duration>',
    duration(1_000, 3_600_000),
    'how long a silent worker keeps its jobs',
  ),
  setting('worker', 'heartbeat', '--heartbeat <duration>', duration(100, 600_000), 'pause between two heartbeats'),
  setting('worker', 'poll', '--poll <duration>', duration(10, 60_000), 'longest pause between two looks for work'),
  setting(
    'metrics',
    'metricsPort',
    '--metrics-port <number>',
    whole(0, 65_535),
    "port of the worker's /metrics, /healthz and /readyz",
  ),
  setting('metrics', 'metricsHost', '--metrics-host <address>', { is: 'text' }, 'address that they listen on'),
  setting(
    'loops',
    'loops',
    '--no-loops',
    { is: 'switch' },
    'leave scheduler, recovery, pruner and statistics to other processes',
  ),
  setting(
    'loops',
    'recoveryInterval',
    '--recovery-interval <duration>',
    duration(100, 3_600_000),
    'longest pause between two looks for lost workers',
  ),
  setting('limits', 'maxPayload', '--max-payload <size>', size, 'largest payload'),
  setting('limits', 'maxResult', '--max-result <size>', size, 'largest result'),
  setting(
    'limits',
    'idempotency',
    '--idempotency <duration>',
    duration(1_000, YEARS_MS),
    "how long an idempotency key outlives its job's end",
  ),
  setting(
    'limits',
    'retention.completed',
    '--retention-completed <duration>',
    duration(1_000, YEARS_MS),
    'how long completed jobs are kept',
  ),
  setting(
    'limits',
    'retention.cancelled',
    '--retention-cancelled <duration>',
    duration(1_000, YEARS_MS),
    'how long cancelled jobs are kept',
  ),
  setting(
    'limits',
    'retention.dead',
    '--retention-dead <duration>',
    duration(1_000, YEARS_MS),
    'how long dead jobs are kept',
  ),
]
