import Table from 'cli-table3'
import { INVARIANTS, type Verdict } from './checker/verdict.ts'
import type { FaultKind } from './faults/fault.ts'
import type { HistoryEvent } from './history.ts'

const MOST_SHOWN = 5

/** What a run came to, for people. */
export function summaryOf(verdict: Verdict, kinds: readonly FaultKind[], history: readonly HistoryEvent[]): string {
  const { figures } = verdict
  const faults = new Table({ head: ['fault', 'made', 'skipped'], style: { head: [], border: [] } })
  for (const { name } of kinds) {
    const made = figures.faults[name] ?? 0
    const skipped = figures.skipped[name] ?? 0
    if (made + skipped > 0) faults.push([name, String(made), skipped > 0 ? `SKIPPED ${skipped}` : ''])
  }
  const waits = figures.killToNextRunMs
  const table = new Table({ colWidths: [34, 80], wordWrap: true, style: { head: [], border: [] } })
  table.push(
    ['faults', `${sum(figures.faults)} of ${Object.keys(figures.faults).length} kinds in ${figures.seconds} s`],
    ['jobs acknowledged', String(figures.acknowledged)],
    ['  of them lost', String(verdict.counts.I1 ?? 0)],
    ['  by work', listed(figures.byWork)],
    ['jobs at the end', listed(figures.finalStates)],
    ['runs', `${figures.runs}, lost with their worker ${figures.lostRuns}`],
    ['late outcomes refused', String(figures.refusedOutcomes)],
    [
      'enqueues without an answer',
      `${figures.unknownEnqueues.stored} stored, ${figures.unknownEnqueues.notStored} not stored`,
    ],
    ['killed', listed(figures.kills)],
    [
      'from kill to next run',
      waits ? `p50 ${waits.p50} ms, p99 ${waits.p99} ms, max ${waits.max} ms (${waits.n} jobs)` : '–',
    ],
    [
      'from healing to the last end',
      figures.healedToLastFinalMs === undefined ? '–' : `${(figures.healedToLastFinalMs / 1000).toFixed(1)} s`,
    ],
    ['seconds in which I13 was judged', percent(figures.observed.judgedLooks)],
    [
      'seconds with a success',
      `${percent(figures.secondsWith.acknowledgement)} an enqueue, ${percent(figures.secondsWith.run)} a run`,
    ],
  )
  const skipped = Object.keys(figures.skipped)
  const failed = history.flatMap((event) => (event.kind === 'fault_ended' && event.failed ? [event] : []))
  return [
    '',
    faults.toString(),
    table.toString(),
    ...(skipped.length > 0 ? [`SKIPPED, this machine cannot make them: ${skipped.join(', ')}`] : []),
    ...failed.map(({ n, failed: why }) => `FAULT ${n} DID NOT COME ABOUT as it should: ${why}`),
    ...verdict.broken.flatMap((invariant) => [
      `BROKEN ${invariant}, ${verdict.counts[invariant] ?? 0} times: ${INVARIANTS[invariant]}`,
      ...verdict.violations
        .filter((violation) => violation.invariant === invariant)
        .slice(0, MOST_SHOWN)
        .map(({ job, sentence }) => `  ${job ?? ''} ${sentence}`),
    ]),
    ...(verdict.broken.length === 0 && verdict.vacuous.length > 0
      ? ['VACUOUS: nothing broke, and nothing was shown:', ...verdict.vacuous.map((reason) => `  ${reason}`)]
      : []),
    verdict.passed ? 'PASSED: every promise held' : 'FAILED',
    '',
  ].join('\n')
}

const sum = (counts: { [name: string]: number }): number => Object.values(counts).reduce((all, n) => all + n, 0)

const listed = (counts: { [name: string]: number }): string =>
  Object.entries(counts)
    .map(([name, n]) => `${name} ${n}`)
    .join(', ')

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`
