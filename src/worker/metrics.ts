import { Counter, Gauge, Registry } from 'prom-client'
import { createLabelBound } from '../job/label-bound.ts'
import { LaneHistogram, type Observations } from './histogram.ts'
import type { Lease, Report, Verdict } from './lease.ts'

const MAX_QUEUES = 200
const MAX_TYPES = 500

export interface WorkerMetrics {
  started(lease: Lease): void
  reported(report: Report, verdict: Verdict): void
  slots(states: { running: number; free: number; stuck: number; buffered: number }): void
  text(): Promise<string>
}

/** What this worker has seen, under the names that the server's metrics have too; its counters are its own. */
export function createWorkerMetrics(): WorkerMetrics {
  const registers = [new Registry()]
  const labelNames = ['queue', 'type'] as const
  const started = new Counter({ name: 'forgeq_started_total', help: 'Runs started', labelNames, registers })
  const outcomes = new Counter({
    name: 'forgeq_outcomes_total',
    help: 'Outcomes that the store accepted',
    labelNames: [...labelNames, 'outcome'],
    registers,
  })
  const refused = new Counter({
    name: 'forgeq_lease_lost_total',
    help: 'Outcomes refused because the lease was lost',
    registers,
  })
  const buckets = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 3600]
  const [registry] = registers as [Registry]
  const wait = new LaneHistogram(registry, { name: 'forgeq_wait_seconds', help: 'From due to started', buckets })
  const run = new LaneHistogram(registry, { name: 'forgeq_run_seconds', help: 'Length of runs', buckets })
  const slots = new Gauge({
    name: 'forgeq_slots',
    help: 'Slots of this worker, and jobs in its buffer',
    labelNames: ['state'],
    registers,
  })

  const bounded = { queue: createLabelBound(MAX_QUEUES), type: createLabelBound(MAX_TYPES) }
  // Counted here and handed over when somebody asks: an increment is an addition, not a look into a map of labels.
  const startedLanes: { queue: string; type: string; n: number; wait: Observations }[] = []
  const startedOf = perLane(bounded, (queue, type) => {
    const lane = { queue, type, n: 0, wait: wait.labels({ queue, type }) }
    startedLanes.push(lane)
    return lane
  })
  const endedLanes: { queue: string; type: string; outcomes: Map<string, { n: number }>; run: Observations }[] = []
  const endedOf = perLane(bounded, (queue, type) => {
    const lane = { queue, type, outcomes: new Map<string, { n: number }>(), run: run.labels({ queue, type }) }
    endedLanes.push(lane)
    return lane
  })

  function handOver(): void {
    for (const lane of startedLanes) {
      started.inc({ queue: lane.queue, type: lane.type }, lane.n)
      lane.n = 0
    }
    for (const { queue, type, outcomes: counts } of endedLanes)
      for (const [outcome, count] of counts) {
        outcomes.inc({ queue, type, outcome }, count.n)
        count.n = 0
      }
  }

  return {
    started(lease) {
      const lane = startedOf(lease.queue, lease.type)
      lane.n++
      lane.wait.observe((lease.waitedMs + performance.now() - lease.claimedAt) / 1000)
    },
    reported({ lease, outcome, ranMs }, verdict) {
      if (ranMs === undefined) return
      if (!verdict.accepted) return refused.inc()
      const lane = endedOf(lease.queue, lease.type)
      lane.run.observe(ranMs / 1000)
      const name = outcomeName(outcome.state, verdict.state)
      const count = lane.outcomes.get(name)
      if (count) count.n++
      else lane.outcomes.set(name, { n: 1 })
    },
    slots(states) {
      for (const [state, n] of Object.entries(states)) slots.set({ state }, n)
    },
    text() {
      handOver()
      return registry.metrics()
    },
  }
}

/** As the store counts: a run that did not end its job is a `failed`, `snoozed` or `released` one. */
function outcomeName(asked: string, became: string): string {
  if (
    became === 'cancelled' ||
    became === 'completed' ||
    asked === 'completed' ||
    asked === 'dead' ||
    asked === 'cancelled'
  )
    return became
  return asked === 'retrying' ? 'failed' : asked === 'scheduled' ? 'snoozed' : 'released'
}

/** A child of a metric is looked up once for each lane: on the hot path its labels cost nothing. */
function perLane<T>(
  bounded: { queue: (name: string) => string; type: (name: string) => string },
  make: (queue: string, type: string) => T,
): (queue: string, type: string) => T {
  const lanes = new Map<string, Map<string, T>>()
  return (queue, type) => {
    const [queueLabel, typeLabel] = [bounded.queue(queue), bounded.type(type)]
    let types = lanes.get(queueLabel)
    if (!types) lanes.set(queueLabel, (types = new Map()))
    let lane = types.get(typeLabel)
    if (!lane) types.set(typeLabel, (lane = make(queueLabel, typeLabel)))
    return lane
  }
}
