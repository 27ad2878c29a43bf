import { execute, type ExecutorContext, reportOfGivenUp, type RunEvents } from './executor.ts'
import type { AbortReason } from './handler.ts'
import type { Lease, Report, Session } from './lease.ts'
import { Run } from './run.ts'

export interface PoolOptions {
  concurrency: number
  abortGraceMs: number
  context: ExecutorContext
  onStart(lease: Lease): void
  onReport(report: Report): void
  /** A slot is free again. */
  onFree(): void
  /** A handler goes on although its time and grace are over. */
  onStuck(lease: Lease): void
}

export const DEFAULT_TIMEOUT_MS = 3_600_000

/** The slots in which handlers run. */
export class Pool {
  readonly concurrency: number
  readonly #options: PoolOptions
  readonly #runs = new Map<string, Run>()
  #idle: (() => void)[] = []
  #stuck = 0
  #lastStart = 0
  readonly #events: RunEvents = {
    onReport: (run, report) => this.#report(run, report),
    onSettled: (run) => this.#end(run),
  }

  constructor(options: PoolOptions) {
    this.#options = options
    this.concurrency = options.concurrency
  }

  get size(): number {
    return this.#runs.size
  }

  get free(): number {
    return this.concurrency - this.#runs.size
  }

  /** Slots whose handlers nobody waits for any more. */
  get stuck(): number {
    return this.#stuck
  }

  /** How long all slots have been taken without a start; 0 while one is free. */
  get stoodMs(): number {
    return this.free > 0 ? 0 : performance.now() - this.#lastStart
  }

  has(id: string): boolean {
    return this.#runs.has(id)
  }

  leases(): Lease[] {
    return [...this.#runs.values()].map(({ lease }) => lease)
  }

  /** Runs in child processes. */
  get isolated(): number {
    let n = 0
    for (const run of this.#runs.values()) if (run.isolated) n++
    return n
  }

  count(queue: string): number {
    let n = 0
    for (const { lease } of this.#runs.values()) if (lease.queue === queue) n++
    return n
  }

  start(lease: Lease): void {
    const { context, abortGraceMs, onStart } = this.#options
    const handler = context.handlers.handlers.get(lease.type)!
    const run = new Run(lease, {
      timeoutMs: lease.timeoutMs ?? handler.timeoutMs ?? DEFAULT_TIMEOUT_MS,
      abortGraceMs: handler.abortGraceMs ?? abortGraceMs,
      // One that took its worker down once takes down its own process.
      isolated: lease.lost > 0 && handler.apart === 'module',
    })
    this.#runs.set(lease.id, run)
    this.#lastStart = run.startedAt
    onStart(lease)
    execute(run, context, this.#events)
  }

  #report(run: Run, report: Report): void {
    if (!run.abandoned) this.#options.onReport(report)
  }

  #end(run: Run): void {
    if (run.stuck) this.#stuck--
    this.#runs.delete(run.lease.id)
    this.#options.onFree()
    this.#checkIdle()
  }

  /** Stuck handlers are waited for by nobody. */
  #checkIdle(): void {
    if (this.#runs.size === this.#stuck) for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** Aborts what has had its time, and gives up what has had its grace too. */
  sweep(): void {
    for (const run of this.#runs.values()) {
      if (run.stuck || run.ranMs < run.timeoutMs) continue
      run.abort('timeout', `exceeded its timeout of ${run.timeoutMs} ms`)
      // One that was aborted before for another reason has had its time all the same.
      if (run.isolated) continue // its process is killed in time
      const overMs = Math.min(performance.now() - run.abortedAt!, run.ranMs - run.timeoutMs)
      if (overMs >= run.abortGraceMs) {
        this.#stuck++
        run.giveUp()
        this.#report(run, reportOfGivenUp(run, this.#options.context))
        this.#options.onStuck(run.lease)
      }
    }
    this.#checkIdle()
  }

  cancel(id: string, token: number): boolean {
    const run = this.#runs.get(id)
    if (run?.lease.token !== token) return false
    run.abort('cancelled', 'the job was cancelled')
    return true
  }

  abortAll(reason: AbortReason, message: string, session?: Session): void {
    for (const run of this.#runs.values()) if (!session || run.lease.session === session) run.abort(reason, message)
  }

  /** Lets the handlers go on without anybody waiting: their outcomes are decided without them. Returns them. */
  abandon(): Run[] {
    const left = [...this.#runs.values()].filter((run) => !run.stuck && !run.abandoned)
    for (const run of left) run.abandoned = run.over = true
    return left
  }

  /** True when every handler has ended within the time. */
  async whenIdle(withinMs: number): Promise<boolean> {
    if (this.#runs.size - this.#stuck === 0) return true
    let timer: NodeJS.Timeout | undefined
    const idle = new Promise<boolean>((resolve) => this.#idle.push(() => resolve(true)))
    const late = new Promise<boolean>((resolve) => (timer = setTimeout(() => resolve(false), withinMs)))
    return Promise.race([idle, late]).finally(() => clearTimeout(timer))
  }
}
