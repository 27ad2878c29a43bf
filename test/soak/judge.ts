import type { Figures } from './figures.ts'

/** One drain of a whole backlog. */
export interface Drain {
  /** From the beginning of the run, when it began. */
  atMs: number
  jobs: number
  tookMs: number
  /** Of all processes of the product and of PostgreSQL. */
  cpuMs: number
  /** Of those, PostgreSQL's. */
  postgresCpuMs: number
}

export interface Look extends Figures {
  atMs: number
}

export interface Story {
  lengthMs: number
  drains: readonly Drain[]
  looks: readonly Look[]
  acknowledged: number
  finished: number
  /** Of the finished: completed in their first run under their first lease. */
  plain: number
  lost: number
  twice: number
}

export interface Verdict {
  faults: string[]
  /** A line for each figure that was judged. */
  figures: string[]
}

const LEAST_THROUGHPUT = 0.95
const MOST_GROWTH = 1.2
/** What a small table, or one round of vacuum, may add. */
const FREE_BYTES = 4 * 1_048_576
const FREE_ROWS = 50_000

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

const whole = (value: number) => Math.round(value).toLocaleString('en')
const megabytes = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MB`

/** Whether the end of a run is like its beginning, and nothing was lost on the way. */
export function judge({ lengthMs, drains, looks, acknowledged, finished, plain, lost, twice }: Story): Verdict {
  const faults: string[] = []
  const figures: string[] = []
  const within = <T extends { atMs: number }>(all: readonly T[], from: number, to: number) =>
    all.filter(({ atMs }) => atMs >= (from * lengthMs) / 5 && atMs < (to * lengthMs) / 5)

  const [first, last] = [within(drains, 0, 1), within(drains, 4, 5)]
  if (first.length === 0 || last.length === 0)
    faults.push('too short: no drain in the first fifth, or none in the last')
  else {
    const rates = (some: readonly Drain[]) => median(some.map(({ jobs, tookMs }) => (jobs * 1_000) / tookMs))
    const costs = (some: readonly Drain[]) => median(some.map(({ jobs, cpuMs }) => (cpuMs * 1_000) / jobs))
    const ratio = rates(last) / rates(first)
    figures.push(
      `throughput: ${whole(rates(first))}/s in the first fifth (${first.length} drains), ${whole(rates(last))}/s in the last (${last.length}): ${ratio.toFixed(3)}`,
      `CPU of all processes: ${costs(first).toFixed(1)} µs a job in the first fifth, ${costs(last).toFixed(1)} in the last: ${(costs(last) / costs(first)).toFixed(3)}`,
    )
    if (ratio < LEAST_THROUGHPUT) faults.push(`throughput in the last fifth is ${ratio.toFixed(3)} of the first`)
  }

  // Until vacuum has come round once, tables grow to the room that they work in.
  const [before, after] = [within(looks, 0, 2), within(looks, 4, 5)]
  const most = (some: readonly Look[], of: (look: Look) => number) => Math.max(0, ...some.map(of))
  for (const name of Object.keys(looks[0]?.sizes ?? {})) {
    const [was, is] = [before, after].map((some) => most(some, ({ sizes }) => sizes[name] ?? 0)) as [number, number]
    if (Math.max(was, is) >= 1_048_576) figures.push(`${name}: ${megabytes(was)}, in the last fifth ${megabytes(is)}`)
    if (is > was * MOST_GROWTH + FREE_BYTES) faults.push(`${name} grows: ${megabytes(was)}, then ${megabytes(is)}`)
  }
  const [was, is] = [before, after].map((some) => most(some, ({ dead }) => dead)) as [number, number]
  figures.push(`dead rows at most: ${whole(was)}, in the last fifth ${whole(is)}`)
  if (is > was * MOST_GROWTH + FREE_ROWS) faults.push(`dead rows grow: ${whole(was)}, then ${whole(is)}`)

  figures.push(`jobs: ${whole(acknowledged)} acknowledged, ${whole(finished)} finished`)
  if (lost > 0) faults.push(`${lost} jobs never ran`)
  if (twice > 0) faults.push(`${twice} jobs ran more than once`)
  if (finished !== acknowledged) faults.push(`${acknowledged} jobs were acknowledged and ${finished} finished`)
  if (plain !== finished) faults.push(`${finished - plain} jobs did not complete in their first run`)
  return { faults, figures }
}
