import type { Facts } from './facts.ts'
import type { Figures } from './figures.ts'
import { attemptsOf } from './views.ts'

const NONE_STORED = 'no enqueue without an answer was stored'
const NO_SAMPLE = 'no job was read while the faults went on'
const NO_PROBE = 'no probe of the database was answered'
const FEW_LOOKS = 'overdue leases were looked for in less than half of the seconds'
const FEW_JUDGED = 'overdue leases could be judged in less than a quarter of the seconds'
const LEAST_LOOKS = 0.5
const LEAST_JUDGED = 0.25

/**
 * Whether more faults can mend it. Whether a job is there whose enqueue had no answer is seen when everything is read,
 * after the last fault; and an observer that is blind stays so.
 */
export const isMendable = (reason: string): boolean => ![NONE_STORED, NO_SAMPLE, NO_PROBE, FEW_LOOKS].includes(reason)

/** Why a run in which nothing broke shows nothing. */
export function vacuousReasons(facts: Facts, figures: Figures): string[] {
  const bitten: [reason: string, bit: boolean][] = [
    ['no late outcome was refused', figures.refusedOutcomes > 0],
    [NONE_STORED, figures.unknownEnqueues.stored > 0],
    ['no enqueue without an answer was not stored', figures.unknownEnqueues.notStored > 0],
    ['no lease expired', hasExpired(facts)],
    ['no busy worker was killed', facts.of('killed').some(({ what, busy }) => what === 'worker' && busy.length > 0)],
    [NO_SAMPLE, figures.observed.samples > 0],
    [NO_PROBE, figures.observed.answeredProbes > 0],
    [FEW_LOOKS, figures.observed.looks >= LEAST_LOOKS],
    [FEW_JUDGED, figures.observed.judgedLooks >= LEAST_JUDGED],
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
