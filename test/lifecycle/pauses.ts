/** The longest time in which nothing was completed although something acknowledged was waiting or running. */
export function longestPause(
  acknowledgedAt: ReadonlyMap<string, number>,
  completed: readonly { job: string; at: number }[],
): number {
  const done = new Set<string>()
  const events = [
    // A job can be done before its enqueuer has read the answer.
    ...[...acknowledgedAt].map(([job, at]) => ({ job, at, isEnd: false })),
    ...completed.map(({ job, at }) => ({ job, at, isEnd: true })),
  ].sort((a, b) => a.at - b.at)
  const open = new Set<string>()
  let since = 0
  let longest = 0
  for (const { job, at, isEnd } of events) {
    if (!isEnd) {
      if (done.has(job)) continue
      if (open.size === 0) since = at
      open.add(job)
      continue
    }
    if (open.size > 0) longest = Math.max(longest, at - since)
    since = at
    done.add(job)
    open.delete(job)
  }
  return longest
}
