/** How much each case does, and how little with `--quick`. The names are the options of the command line. */
export const SIZES = [
  { name: 'jobs', full: 100_000, quick: 20_000, says: 'waiting jobs of a drain, and jobs of "1,000 a call"' },
  { name: 'backlog', full: 1_000_000, quick: 40_000, says: 'waiting jobs of "backlog-1m"' },
  { name: 'large-backlog', full: 10_000_000, quick: 80_000, says: 'waiting jobs of "backlog-10m"' },
  { name: 'horizon', full: 200_000, quick: 20_000, says: 'waiting jobs beside an old transaction' },
  { name: 'history', full: 10_000_000, quick: 40_000, says: 'finished jobs of "history-10m"' },
  { name: 'scheduled', full: 1_000_000, quick: 40_000, says: 'jobs for later of "scheduled-1m"' },
  { name: 'large', full: 4_000, quick: 400, says: 'waiting jobs of "payload-100kb"' },
  { name: 'slow', full: 100_000, quick: 20_000, says: 'waiting jobs of "slow-handlers"' },
  { name: 'seconds', full: 4, quick: 1, says: 'length of the other enqueue cases and "post-jobs"' },
  { name: 'lines', full: 1_000_000, quick: 20_000, says: 'lines of "ndjson"' },
  { name: 'sustained', full: 20, quick: 2, says: 'seconds of "sustained"' },
  { name: 'latencies', full: 300, quick: 30, says: 'jobs of "start-latency"' },
  { name: 'idle', full: 60, quick: 5, says: 'seconds of the idle cases' },
  { name: 'features', full: 50_000, quick: 5_000, says: 'jobs of each of the "features"' },
  { name: 'commands', full: 20, quick: 5, says: 'calls of each command' },
]

/** The sizes of a run by name; what the command line gave wins. Throws an Error that says which is wrong. */
export function sizesFrom(values, { quick }) {
  return Object.fromEntries(
    SIZES.map((size) => {
      const given = values[size.name]
      return [size.name, given === undefined ? size[quick ? 'quick' : 'full'] : positive(`--${size.name}`, given)]
    }),
  )
}

export function positive(flag, text) {
  const number = Number(text)
  if (Number.isInteger(number) && number > 0) return number
  throw new Error(`${flag} must be a whole number above zero, not "${text}".`)
}
