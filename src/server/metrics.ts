import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Gauge, Registry } from 'prom-client'
import { isForgeQError } from '../errors.ts'
import type { JobQueue, StoreFigures } from '../queue/job-queue.ts'
import { createLabelBound } from './label-bound.ts'

const MAX_QUEUES = 200
const MAX_TYPES = 500

/** Text of `/metrics` in the format of Prometheus: the store's figures as they are at the scrape. */
export function createMetrics({ queue, version }: { queue: JobQueue; version: string }): () => Promise<string> {
  const queueLabel = createLabelBound(MAX_QUEUES)
  const typeLabel = createLabelBound(MAX_TYPES)
  const lagSeconds = createLagMeter()

  return async () => {
    // A registry for each scrape: the figures come whole from the store, and two scrapes at once do not mix.
    const registry = new Registry()
    const registers = [registry]
    const figures = await figuresOf(queue)
    new Gauge({ name: 'forgeq_info', help: 'The release that answers.', labelNames: ['version'], registers }).set(
      { version },
      1,
    )
    new Gauge({ name: 'forgeq_up', help: '1 when the database answered this scrape.', registers }).set(figures ? 1 : 0)
    new Gauge({
      name: 'forgeq_event_loop_lag_seconds',
      help: 'How late timers fire in the server: the 99th percentile since the last scrape.',
      registers,
    }).set(lagSeconds())
    if (figures) addStore(registers, figures, queueLabel, typeLabel)
    return registry.metrics()
  }
}

type Label = (value: string) => string

function addStore(registers: Registry[], figures: StoreFigures, queueLabel: Label, typeLabel: Label): void {
  const jobs = new Gauge({ name: 'forgeq_jobs', help: 'Jobs by state.', labelNames: ['queue', 'state'], registers })
  const oldest = new Gauge({
    name: 'forgeq_oldest_pending_seconds',
    help: 'Age of the oldest job that is ready to run.',
    labelNames: ['queue'],
    registers,
  })
  const oldestByLabel = new Map<string, number>()
  for (const { name, depth, oldestPendingSeconds = 0 } of figures.queues) {
    const queue = queueLabel(name)
    for (const [state, count] of Object.entries(depth)) jobs.inc({ queue, state }, count)
    oldestByLabel.set(queue, Math.max(oldestByLabel.get(queue) ?? 0, oldestPendingSeconds))
  }
  for (const [queue, seconds] of oldestByLabel) oldest.set({ queue }, seconds)

  new Counter({ name: 'forgeq_enqueued_total', help: 'Jobs enqueued.', registers }).inc(
    figures.enqueued.reduce((sum, { count }) => sum + count, 0),
  )
  const outcomes = new Counter({
    name: 'forgeq_outcomes_total',
    help: 'Runs by what they came to.',
    labelNames: ['queue', 'type', 'outcome'],
    registers,
  })
  for (const { queue, type, outcome, count } of figures.outcomes) {
    outcomes.inc({ queue: queueLabel(queue), type: typeLabel(type), outcome }, count)
  }
  new Counter({ name: 'forgeq_lost_total', help: 'Runs whose worker vanished.', registers }).inc(figures.lost)
  new Gauge({ name: 'forgeq_workers', help: 'Live workers.', registers }).set(figures.workers)
}

/** Undefined while the database is away: the scrape still tells that, and how the process fares. */
async function figuresOf(queue: JobQueue): Promise<StoreFigures | undefined> {
  try {
    return await queue.figures()
  } catch (error) {
    if (isForgeQError(error, 'unavailable') || isForgeQError(error, 'schema_mismatch')) return undefined
    throw error
  }
}

function createLagMeter(): () => number {
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  return () => {
    // The meter's own pause of 10 ms is part of what it measures.
    const seconds = delay.count === 0 ? 0 : Math.max(0, delay.percentile(99) / 1e9 - 0.01)
    delay.reset()
    return seconds
  }
}
