import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { DatabasePool } from './store/database.ts'

export interface ProcessMetrics {
  /** A pass of a loop handled so many rows. */
  handled(loop: string, rows: number): void
  text(): Promise<string>
}

/** What every process tells of itself, server and worker alike: its loops, its pool, its event loop. */
export function createProcessMetrics(pool: DatabasePool): ProcessMetrics {
  const handledByLoop = new Map<string, number>()
  const lagSeconds = createLagMeter()
  return {
    handled: (loop, rows) => void handledByLoop.set(loop, (handledByLoop.get(loop) ?? 0) + rows),
    async text() {
      // Loaded by the first scrape: most processes that could be asked never are.
      const { Counter, Gauge, Registry } = await import('prom-client')
      const registry = new Registry()
      const registers = [registry]
      const loops = new Counter({
        name: 'forgeq_loop_handled_total',
        help: 'Rows that passes of this process handled.',
        labelNames: ['loop'],
        registers,
      })
      for (const [loop, rows] of handledByLoop) loops.inc({ loop }, rows)
      const connections = new Gauge({
        name: 'forgeq_db_pool',
        help: 'Connections of the pool, and callers that wait for one.',
        labelNames: ['state'],
        registers,
      })
      const { total, idle, waiting } = pool.stats
      connections.set({ state: 'busy' }, total - idle)
      connections.set({ state: 'idle' }, idle)
      connections.set({ state: 'waiting' }, waiting)
      const lag = new Gauge({
        name: 'forgeq_event_loop_lag_seconds',
        help: 'How late timers fire in this process: the 99th percentile since the last scrape.',
        registers,
      })
      lag.set(lagSeconds())
      return registry.metrics()
    },
  }
}

/** So often the process is woken to be measured. */
const RESOLUTION_MS = 50

/** Measures from its first reading on: a process that nobody scrapes is not woken for it. */
function createLagMeter(): () => number {
  let delay: ReturnType<typeof monitorEventLoopDelay> | undefined
  return () => {
    if (!delay) {
      delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
      delay.enable()
    }
    // The meter's own pause is part of what it measures.
    const seconds = delay.count === 0 ? 0 : Math.max(0, (delay.percentile(99) / 1e6 - RESOLUTION_MS) / 1000)
    delay.reset()
    return seconds
  }
}
