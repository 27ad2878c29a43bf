import type { Logger } from 'pino'
import { toJobError } from '../job/job-error.ts'
import type { ConnectionOptions, DatabasePool } from '../store/database.ts'
import type { Keeping } from '../store/history.ts'
import type { Sight } from '../store/look.ts'
import type { Lookout } from '../store/lookout.ts'
import { waitAtMost } from '../store/wait-at-most.ts'
import type { WakeUp } from '../store/wakeups.ts'
import { NOT_COMMITTED } from './complete.ts'
import { Dispatcher } from './dispatcher.ts'
import type { HandlerSet, Middleware } from './handler.ts'
import type { Report, Verdict } from './lease.ts'
import { createWorkerMetrics } from './metrics.ts'
import { Pace } from './pace.ts'
import { Pool } from './pool.ts'
import { ProgressWriter } from './progress-writer.ts'
import { createReporter } from './reporter.ts'
import { SessionKeeper } from './session-keeper.ts'
import { Storm } from './storm.ts'
import { StoreLeases } from './store-leases.ts'

export interface WorkerOptions {
  db: DatabasePool
  connection: ConnectionOptions
  /** Subscribes to hints; returns what unsubscribes. */
  subscribe(listener: (wakeUp: WakeUp) => void): () => void
  /** What this process sees; absent, the worker looks for jobs by itself every `pollMs`. */
  lookout?: Lookout
  handlers: HandlerSet
  middleware: readonly Middleware[]
  name: string
  version: string
  concurrency: number
  /** Absent: every queue. */
  queues?: Readonly<Record<string, number | null>>
  leaseMs: number
  heartbeatMs: number
  stallLimitMs: number
  abortGraceMs: number
  graceMs: number
  pollMs: number
  maxResultBytes: number
  keeping: Keeping
  /** The process is this worker's own: it may be killed when its main thread is stuck, and ends when all slots are. */
  exclusiveProcess: boolean
  /** Text about the process itself, added to the worker's metrics. */
  processMetrics?: () => Promise<string>
  log: Logger
}

export interface RunningWorker {
  readonly id: string
  readonly name: string
  /**
   * Leases nothing more, hands back what has not been started, lets running handlers finish within `graceMs`, then
   * aborts them, writes every outcome and deregisters. Ends within `graceMs` + 5 s, also when the database is gone.
   */
  stop(options?: { graceMs?: number }): Promise<void>
  /** Resolves with the reason when the worker cannot go on by itself. */
  readonly ended: Promise<string>
  metricsText(): Promise<string>
}

/** How long aborted handlers are waited for, then the last outcomes, then the good-bye: 5 s in all. */
const AFTER_ABORT_MS = 2_000
const FLUSH_MS = 1_500
const GOODBYE_MS = 500
const LEASES_CLOSE_MS = 200
const SWEEP_MS = 100
const RESTING_SWEEP_MS = 1_000
/** Whoever is told when there is something to lease looks by itself so many times less often. */
const RARER = 60
/** A process may look several times in a row: its workers follow so far apart. */
const FOLLOW_MS = 250

/** Registers a worker and starts to run jobs. @throws `unavailable` when the database is away */
export async function startWorker(options: WorkerOptions): Promise<RunningWorker> {
  const { db, lookout, handlers, concurrency, log, keeping, queues, pollMs, exclusiveProcess } = options
  const metrics = createWorkerMetrics()
  const pace = new Pace(concurrency)
  const progress = new ProgressWriter(db)
  const leases = new StoreLeases({ db, types: handlers.types, queues: queues ?? null, lookMs: pollMs })
  const caps = new Map(
    Object.entries(queues ?? {}).flatMap(([queue, slots]) => (slots === null ? [] : [[queue, slots]])),
  )
  const reporter = createReporter({ db, keeping, log, onVerdict })
  let endedBy: (reason: string) => void = () => {}
  const ended = new Promise<string>((resolve) => (endedBy = resolve))
  let stopping: Promise<void> | undefined

  const pool = new Pool({
    concurrency,
    abortGraceMs: options.abortGraceMs,
    context: {
      handlers,
      middleware: options.middleware,
      maxResultBytes: options.maxResultBytes,
      keeping,
      log,
      stallLimitMs: options.stallLimitMs,
      storm: new Storm(),
      progress: (lease, value, message) => progress.push(lease, value, message),
    },
    onStart(lease) {
      metrics.started(lease)
      if (!resting) return
      resting = false
      clearTimeout(sweep)
      sweep = setTimeout(sweepAgain, SWEEP_MS)
    },
    onReport: (report) => {
      if (report.ranMs !== undefined) pace.ran(report.ranMs)
      reporter.push(report)
    },
    onFree() {
      if (!stopping) keeper.setStatus(pool.stuck > 0 ? 'stuck' : 'active')
      dispatcher.changed()
    },
    onStuck(lease) {
      log.error(
        { job_id: lease.id, job_type: lease.type },
        'a handler goes on although its time is over; its slot is stuck',
      )
      keeper.setStatus('stuck')
      if (exclusiveProcess && pool.stuck === concurrency) endedBy('every slot is stuck')
    },
  })

  const keeper = new SessionKeeper({
    db,
    connection: options.connection,
    name: options.name,
    version: options.version,
    queues: queues ? Object.keys(queues) : [],
    types: handlers.types,
    concurrency,
    leaseMs: options.leaseMs,
    heartbeatMs: options.heartbeatMs,
    stallLimitMs: options.stallLimitMs,
    exclusiveProcess,
    log,
    onSession: () => dispatcher.wake(),
    onLost(session) {
      pool.abortAll('lease_lost', 'the lease of this job was lost', session)
      dispatcher.drop(session)
    },
    onCancel(cancel) {
      for (const { id, token } of cancel) if (!pool.cancel(id, token)) dispatcher.cancel(id, token)
    },
    onStalled: (type) => endedBy(`stalled: the main thread did not answer while ${type || 'no handler'} ran`),
    onBroken(error) {
      log.error({ err: error }, 'the heartbeat thread has died: no lease is renewed any more')
      endedBy(`the heartbeat thread has died: ${error.message}`)
    },
  })

  const dispatcher: Dispatcher = new Dispatcher({
    leases,
    pool,
    handlers,
    pace,
    keeper,
    caps,
    pollMs: lookout ? pollMs * RARER : pollMs,
    log,
    report: (report) => reporter.push(report),
    unsettled: () => reporter.unsettled,
  })

  function onVerdict(report: Report, verdict: Verdict): void {
    metrics.reported(report, verdict)
    dispatcher.settled()
    if (verdict.accepted && verdict.state === 'completed' && !log.isLevelEnabled('info')) return
    const { lease, outcome, ranMs } = report
    const fields = { job_id: lease.id, job_type: lease.type, queue: lease.queue, token: lease.token }
    // Whoever took back what never ran: nothing is lost with it.
    if (ranMs === undefined) return log.debug(fields, 'handed back')
    if (!verdict.accepted) return log.warn(fields, 'outcome refused: the lease was lost')
    const error = 'error' in outcome ? outcome.error : undefined
    if (report.completing && verdict.state === 'completed') {
      const after = error && error.code !== NOT_COMMITTED && { error: error.message }
      return log.info(
        { ...fields, ran_ms: Math.round(ranMs), ...after },
        'job completed in a transaction of its handler',
      )
    }
    const told = { ...fields, state: verdict.state, ran_ms: Math.round(ranMs), ...(error && { error: error.message }) }
    if (verdict.state === 'dead') log.error(told, 'job dead')
    else if (error) log.warn(told, 'job failed')
    else log.info(told, `job ${verdict.state}`)
  }

  let sweep: NodeJS.Timeout
  /** Nothing runs whose time could be over. */
  let resting = false
  function sweepAgain(): void {
    void keeper.current // notices a deadline that has passed
    pool.sweep()
    pace.stood(pool.stoodMs)
    metrics.slots({
      running: pool.size - pool.stuck,
      free: pool.free,
      stuck: pool.stuck,
      buffered: dispatcher.buffered,
    })
    resting = pool.size === 0 && dispatcher.buffered === 0
    sweep = setTimeout(sweepAgain, resting ? RESTING_SWEEP_MS : SWEEP_MS)
  }
  sweep = setTimeout(sweepAgain, SWEEP_MS)

  const unsubscribe = options.subscribe(({ kind, queues: hinted }) => {
    if (kind === 'paused') dispatcher.pausesChanged()
    else if (kind === 'pending' && (!queues || hinted.length === 0 || hinted.some((queue) => queue in queues)))
      dispatcher.wake()
  })

  let followed = -Infinity
  let following: NodeJS.Timeout | undefined
  let seen: Sight | undefined
  const unwatch = lookout?.watch((sight) => {
    seen = sight
    following ??= setTimeout(follow, Math.max(0, followed + FOLLOW_MS - performance.now()))
  })
  function follow(): void {
    following = undefined
    followed = performance.now()
    // What waits may be of a kind that was not there at the last look of its own.
    if (!seen || seen.pending) dispatcher.wake()
    // What runs or is buffered may have to go back; what the store holds may be unknown here.
    if (!seen || seen.pending || pool.size > 0 || dispatcher.buffered > 0 || (seen.leased && dispatcher.syncDue))
      dispatcher.pausesChanged()
  }

  async function stop({ graceMs = options.graceMs }: { graceMs?: number } = {}): Promise<void> {
    unsubscribe()
    unwatch?.()
    clearTimeout(following)
    keeper.setStatus('draining')
    const drained = dispatcher.stop().catch(() => {})
    if (!(await pool.whenIdle(graceMs))) {
      pool.abortAll('shutdown', 'the worker shuts down')
      await pool.whenIdle(AFTER_ABORT_MS)
    }
    // What still runs is cut off when the process ends: that run counts.
    for (const run of pool.abandon()) {
      const { lease } = run
      const error = toJobError(
        Object.assign(new Error('the worker shut down before the handler had ended'), {
          name: 'Shutdown',
          code: 'shutdown',
        }),
      )
      delete error.stack // it would show this worker, not the handler
      const spent = lease.attempt >= lease.maxAttempts
      const outcome = spent
        ? ({ state: 'dead', error, reason: 'attempts spent' } as const)
        : ({ state: 'retrying', delayMs: 0, error } as const)
      reporter.push(run.report(outcome, 'failed'))
    }
    const limit = AbortSignal.timeout(FLUSH_MS)
    await Promise.race([drained, new Promise((resolve) => limit.addEventListener('abort', resolve))])
    await reporter.flush(limit)
    await keeper.stop(GOODBYE_MS)
    clearTimeout(sweep)
    progress.stop()
    await waitAtMost(LEASES_CLOSE_MS, leases.close())
  }

  try {
    await keeper.start()
  } catch (error) {
    clearTimeout(sweep)
    unsubscribe()
    unwatch?.()
    clearTimeout(following)
    await keeper.stop(0)
    throw error
  }
  dispatcher.start()
  return {
    get id() {
      return keeper.current?.id ?? ''
    },
    name: options.name,
    stop: (how) => (stopping ??= stop(how)),
    ended,
    metricsText: async () => (await metrics.text()) + ((await options.processMetrics?.()) ?? ''),
  }
}
