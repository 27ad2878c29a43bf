import type { LeaseKey } from './ledger.ts'
import type { Known } from './reports.ts'
import type { WorkerMemory } from './worker-memory.ts'
import type { WorkerStep } from './worker-steps.ts'

/** A lease as a step names it: `complete @01.1`. */
export const leaseName = ({ id, token }: LeaseKey): string => `${id.slice(-2)}.${token}`

/** What a worker that remembers this could do next, of the steps that it may take. */
export function workerOffers(memory: WorkerMemory, may: (step: WorkerStep) => boolean): string[] {
  const steps: string[] = []
  const offer = (possible: boolean, ...names: WorkerStep[]) => {
    if (possible) steps.push(...names.filter(may))
  }
  const each = <T>(list: readonly T[], leaseOf: (one: T) => Known, ...names: WorkerStep[]) => {
    for (const one of list) steps.push(...names.filter(may).map((name) => `${name} @${leaseName(leaseOf(one))}`))
  }
  const { session, known } = memory
  const free = !memory.claiming
  offer(session === undefined, 'register')
  offer(session !== undefined && free && !memory.syncDue, 'claim', 'claim ahead', 'claim, answer lost', 'claim, held')
  offer(session !== undefined && free && !memory.syncDue && !memory.lateClaim, 'claim, commits late')
  offer(
    known.some(({ started, unwanted, sessionId }) => !started && !unwanted && sessionId === session),
    'note',
  )
  const running = known.filter(({ started, unwanted }) => started && !unwanted)
  const self = (lease: Known) => lease
  each(
    running,
    self,
    'complete',
    'complete, answer lost',
    'complete, held',
    'complete, never arrives',
    'fail',
    'fail, answer lost',
    'fail, held',
    'fail, never arrives',
    'snooze',
  )
  if (memory.progresses < 1) each(running, self, 'progress')
  each(known, self, 'release', 'release, answer lost')
  each(memory.unsettled, ({ lease }) => lease, 'repeat')
  if (memory.echoes < 1) each(memory.sent, ({ lease }) => lease, 'echo')
  offer(session !== undefined, 'heartbeat', 'distrust')
  offer(memory.crashes < 1 && memory.sessions > 0, 'crash')
  offer(session !== undefined && free, 'sync', 'sync, answer lost')
  offer(session !== undefined && free && !memory.lateSync, 'sync, arrives late')
  return steps
}
