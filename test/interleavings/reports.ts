import { completeJobs } from '../../src/store/complete.ts'
import { finishJobs, finishKeyedJobs, requeueJobs } from '../../src/store/outcomes.ts'
import type { LeaseKey } from './ledger.ts'
import type { Road } from './road.ts'
import type { World } from './world.ts'

export type Outcome = 'complete' | 'fail' | 'snooze' | 'release'

/** A lease in a worker's hands. */
export interface Known extends LeaseKey {
  leaseNo: number
  started: boolean
  keyed: boolean
  attempt: number
  maxAttempts: number
  /** Its worker still runs this job under another lease, or only hears of it to end it: it can only be given back. */
  unwanted: boolean
}

export interface Report {
  lease: Known
  outcome: Outcome
  /** An answer was lost: until the store has said its word, the worker repeats it. */
  unknown: boolean
}

const ERROR = { name: 'Error', message: 'no', fingerprint: 'f' }

/** The statement by which the product writes such an outcome. */
export function statementOf({ lease, outcome }: Report): string {
  if (outcome === 'complete') return lease.keyed ? 'finish_keyed_jobs' : 'complete_jobs'
  if (outcome !== 'fail' || lease.attempt < lease.maxAttempts) return 'requeue_jobs'
  return lease.keyed ? 'finish_keyed_jobs' : 'finish_jobs'
}

/** Sends it; the step that it stands for has been chosen. Resolves to whether the store took it. */
export async function send(world: World, road: Road, worker: string, report: Report): Promise<boolean> {
  const { lease, outcome } = report
  const { id, token, leaseNo, sessionId, started } = lease
  const { keeping } = world
  world.sends(road, { kind: 'outcome', lease: { id, token, sessionId }, started })
  const reporter = { sessionId, worker: { id: sessionId, name: worker } }
  const ran = started ? { ranMs: 1 } : {}
  const finished =
    outcome === 'complete'
      ? { id, token, state: 'completed' as const, ...ran }
      : { id, token, state: 'dead' as const, reason: 'attempts spent', error: ERROR, ...ran }
  road.ticket()
  const write = async () => {
    switch (statementOf(report)) {
      case 'complete_jobs':
        return completeJobs(road, reporter, [{ id, token, leaseNo, resultJson: '1', ranMs: 1 }], keeping)
      case 'finish_jobs':
        return finishJobs(road, reporter, [finished], keeping)
      case 'finish_keyed_jobs':
        return finishKeyedJobs(road, reporter, [finished], keeping)
      default: {
        const requeue = requeued(outcome, lease, world.scenario.snoozeMs ?? 0)
        return requeueJobs(road, reporter, [{ id, token, ...requeue, ...ran }], keeping)
      }
    }
  }
  return (await write()).has(id)
}

function requeued(outcome: Outcome, { started }: Known, snoozeMs: number) {
  switch (outcome) {
    case 'fail':
      return { state: 'retrying' as const, delayMs: 0, counted: true, outcome: 'failed' as const, error: ERROR }
    case 'snooze':
      return { state: 'scheduled' as const, delayMs: snoozeMs, counted: false, outcome: 'snoozed' as const }
    default:
      return { state: 'pending' as const, delayMs: 0, counted: false, ...(started && { outcome: 'released' as const }) }
  }
}
