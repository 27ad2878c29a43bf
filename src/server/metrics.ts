import { Counter, Gauge, Registry } from 'prom-client'
import { isForgeQError } from '../errors.ts'
import type { JobQueue, StoreFigures } from '../queue/job-queue.ts'
import { createLabelBound } from '../job/label-bound.ts'

const MAX_QUEUES = 200
const MAX_TYPES = 500

export interface MetricsOptions {
  queue: JobQueue
  version: string
  /** Text about the process itself, added to each scrape. */
  processMetrics?: () => Promise<string>
}

/** Text of `/metrics` in the format of Prometheus: the store's figures as they are at the scrape. */
export function createMetrics({ queue, version, processMetrics }: MetricsOptions): () => Promise<string> {
  const queueLabel = createLabelBound(MAX_QUEUES)
  const typeLabel = createLabelBound(MAX_TYPES)

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
    if (figures) addStore(registers, figures, queueLabel, typeLabel)
    return (await registry.metrics()) + ((await processMetrics?.()) ?? '')
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
