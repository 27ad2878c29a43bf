import type { Facts } from './facts.ts'
import type { Figures } from './figures.ts'
import { attemptsOf } from './views.ts'

/** Whether a job is there whose enqueue had no answer is seen when everything is read, after the last fault. */
export const SEEN_AT_THE_END = 'no enqueue without an answer was stored'

/** Why a run in which nothing broke shows nothing. */
export function vacuousReasons(facts: Facts, figures: Figures): string[] {
  const bitten: [reason: string, bit: boolean][] = [
    ['no late outcome was refused', figures.refusedOutcomes > 0],
    [SEEN_AT_THE_END, figures.unknownEnqueues.stored > 0],
    ['no enqueue without an answer was not stored', figures.unknownEnqueues.notStored > 0],
    ['no lease expired', hasExpired(facts)],
    ['no busy worker was killed', facts.of('killed').some(({ what, busy }) => what === 'worker' && busy.length > 0)],
  ]
  return bitten.flatMap(([reason, bit]) => (bit ? [] : [reason]))
}

const hasExpired = ({ jobs }: Facts): boolean =>
  [...jobs.values()].some(({ views }) =>
    views.some(({ job }) =>
      attemptsOf(job).some(
        ({ outcome, error }) =>
          (outcome === 'lost' || outcome === 'dead') && error?.message.startsWith('lease expired'),
      ),
    ),
  )
