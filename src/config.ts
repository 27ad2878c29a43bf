/** Everything that can be set, with its units; `DEFAULTS` below is what holds when nothing is said. */
export interface Config {
  /** Absent: the embedded PostgreSQL of `dataDir`. */
  readonly databaseUrl?: string
  readonly dataDir: string
  readonly host: string
  readonly port: number
  /** The worker's own small HTTP port for /metrics, /healthz and /readyz. */
  readonly metricsPort?: number
  readonly metricsHost: string
  readonly concurrency: number
  /** Which queues a worker serves, and at most how many of its slots each may take; absent: every queue. */
  readonly queues?: Readonly<Record<string, number | null>>
  readonly handlers: string
  /** True when somebody named the folder: then it must exist. */
  readonly handlersNamed: boolean
  readonly workerName?: string
  readonly graceMs: number
  readonly abortGraceMs: number
  readonly stallLimitMs: number
  readonly leaseMs: number
  readonly heartbeatMs: number
  readonly recoveryIntervalMs: number
  /** Longest pause between two looks for work. */
  readonly pollMs: number
  readonly maxPayloadBytes: number
  readonly maxResultBytes: number
  readonly retention: { readonly completedMs: number; readonly cancelledMs: number; readonly deadMs: number }
  readonly idempotencyMs: number
  /** Run scheduler, recovery, pruner and statistics in this process. */
  readonly loops: boolean
  /** Migrate an external database at start. */
  readonly migrate: boolean
  readonly poolSize: number
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** `auto`: pretty on a terminal, JSON lines elsewhere. */
  readonly logFormat: 'auto' | 'json' | 'pretty'
}

const DAY_MS = 86_400_000

export const DEFAULTS = Object.freeze({
  dataDir: '.forgeq',
  host: '127.0.0.1',
  port: 8420,
  metricsHost: '127.0.0.1',
  concurrency: 10,
  handlers: './handlers',
  handlersNamed: false,
  graceMs: 25_000,
  abortGraceMs: 30_000,
  stallLimitMs: 60_000,
  leaseMs: 15_000,
  heartbeatMs: 5_000,
  recoveryIntervalMs: 3_000,
  pollMs: 1_000,
  maxPayloadBytes: 1_048_576,
  maxResultBytes: 1_048_576,
  retention: { completedMs: 7 * DAY_MS, cancelledMs: 7 * DAY_MS, deadMs: 90 * DAY_MS },
  idempotencyMs: 7 * DAY_MS,
  loops: true,
  migrate: false,
  poolSize: 6,
  logLevel: 'info',
  logFormat: 'auto',
}) satisfies Config
