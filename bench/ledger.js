/** Counts how often each job number from 0 to `mostJobs` - 1 came by. */
export function createLedger(mostJobs) {
  const times = new Uint8Array(mostJobs)
  const ledger = { calls: 0, strangers: 0, firstAt: 0 }

  return {
    /** Records one call; resolves nothing, throws nothing, so that it costs a handler as little as possible. */
    see(n) {
      if (ledger.calls === 0) ledger.firstAt = performance.now()
      ledger.calls += 1
      if (Number.isInteger(n) && n >= 0 && n < mostJobs) times[n] = Math.min(255, times[n] + 1)
      else ledger.strangers += 1
    },
    get calls() {
      return ledger.calls
    },
    /** When the first call came, on the clock of `performance.now()`. */
    get firstAt() {
      return ledger.firstAt
    },
    /** What was seen, to be added to the ledger of another process. */
    seen: () => ({ calls: ledger.calls, strangers: ledger.strangers, times }),
    add(seen) {
      ledger.calls += seen.calls
      ledger.strangers += seen.strangers
      for (let n = 0; n < times.length; n += 1) times[n] = Math.min(255, times[n] + seen.times[n])
    },
    /** What keeps the first `jobs` numbers from having come exactly once, as a sentence; null when they did. */
    mismatch(jobs = mostJobs) {
      let missing = 0
      let repeated = 0
      let strangers = ledger.strangers
      times.forEach((count, n) => {
        if (n >= jobs) strangers += count
        else if (count === 0) missing += 1
        else if (count > 1) repeated += 1
      })
      if (missing === 0 && repeated === 0 && strangers === 0) return null
      return `of ${jobs} jobs ${missing} were not seen, ${repeated} more than once, ${strangers} were never enqueued`
    },
  }
}
