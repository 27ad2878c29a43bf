/** Counts how often each job number from 0 to `jobs` - 1 came by. */
export function createLedger(jobs) {
  const times = new Uint8Array(jobs)
  const ledger = { calls: 0, strangers: 0, firstAt: 0 }

  return {
    /** Records one call; resolves nothing, throws nothing, so that it costs a handler as little as possible. */
    see(n) {
      if (ledger.calls === 0) ledger.firstAt = performance.now()
      ledger.calls += 1
      if (Number.isInteger(n) && n >= 0 && n < jobs) times[n] = Math.min(255, times[n] + 1)
      else ledger.strangers += 1
    },
    get calls() {
      return ledger.calls
    },
    /** When the first call came, on the clock of `performance.now()`. */
    get firstAt() {
      return ledger.firstAt
    },
    /** What keeps this from being exactly once, as a sentence; null when every number came by exactly once. */
    mismatch() {
      let missing = 0
      let repeated = 0
      for (const count of times) {
        if (count === 0) missing += 1
        if (count > 1) repeated += 1
      }
      if (missing === 0 && repeated === 0 && ledger.strangers === 0) return null
      return `of ${jobs} jobs ${missing} were not seen, ${repeated} more than once, ${ledger.strangers} were never enqueued`
    },
  }
}
