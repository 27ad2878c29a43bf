import { openLane } from './lane.ts'
import { play, type Played } from './play.ts'
import type { Product } from './product.ts'
import { inWords, type Scenario } from './scenario.ts'

/** Plays scenarios in lanes side by side and tells of each. What the harness itself fails at is a problem of that scenario. */
export async function playAll(
  scenarios: readonly Scenario[],
  { product, lanes, say, signal }: { product: Product; lanes: number; say(played: Played): void; signal: AbortSignal },
): Promise<Played[]> {
  const waiting = [...scenarios]
  const all: Played[] = []
  const one = async () => {
    const lane = await openLane(product)
    try {
      for (let next = waiting.shift(); next && !signal.aborted; next = waiting.shift()) {
        const scenario = next
        const played = await play(scenario, lane).catch((error: unknown): Played => {
          const problem = `it could not be played: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
          return { scenario, problems: [problem], printed: '', nextRunMs: [], early: false }
        })
        all.push(played)
        say(played)
      }
    } finally {
      await lane.close()
    }
  }
  await Promise.all(Array.from({ length: Math.min(lanes, scenarios.length) }, one))
  return all
}

/** A line for each that went well, everything of one that did not. */
export function told({ scenario, problems, endMs, secondMs, nextRunMs, printed, early }: Played): string {
  const figures = [
    ...(endMs === undefined ? [] : [`ended after ${endMs} ms`]),
    ...(secondMs === undefined ? [] : [`${secondMs} ms after the second signal`]),
    ...(nextRunMs.length === 0 ? [] : [`${nextRunMs.length} next runs, the last after ${Math.max(...nextRunMs)} ms`]),
    ...(early ? ['before it listened'] : []),
  ].join(', ')
  const line = `${problems.length === 0 ? 'ok  ' : 'FAIL'} ${inWords(scenario)}: ${figures}`
  return problems.length === 0
    ? line
    : [line, ...problems.map((problem) => `     ${problem}`), printed.trimEnd()].join('\n')
}

/** What the run as a whole has seen; `vacuous` names what should have happened at least once and did not. */
export function summaryOf(all: readonly Played[]): { text: string; failed: number; vacuous: string[] } {
  const failed = all.filter(({ problems }) => problems.length > 0).length
  const nextRuns = all.flatMap(({ nextRunMs }) => nextRunMs).sort((a, b) => a - b)
  const seconds = all.flatMap(({ secondMs }) => secondMs ?? [])
  const over = all.flatMap(({ endMs, secondMs, scenario }) =>
    endMs === undefined || secondMs !== undefined ? [] : [endMs - scenario.graceMs],
  )
  const most = (values: number[]) => (values.length === 0 ? 'none' : `${Math.max(...values)} ms`)
  const vacuous = [
    ...(nextRuns.length === 0 ? ['no job was handed back'] : []),
    ...(seconds.length === 0 ? ['no second signal found a process'] : []),
    ...(all.every(({ early }) => early) ? ['every process ended before it listened'] : []),
  ]
  const text = [
    `${all.length - failed} passed, ${failed} failed`,
    `longest end beyond the grace period: ${most(over)}; after a second signal: ${most(seconds)}`,
    `jobs handed back and run elsewhere: ${nextRuns.length}; median ${nextRuns[nextRuns.length >> 1] ?? '-'} ms, longest ${most(nextRuns)}`,
    `ended before they listened to signals: ${all.filter(({ early }) => early).length}`,
  ].join('\n')
  return { text, failed, vacuous }
}
