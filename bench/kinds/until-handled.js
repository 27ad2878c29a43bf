const STALLED_AFTER_MS = 60_000

/**
 * Resolves to null when the workers together have seen `jobs` calls, or to a failure when they no longer get on. `calls`
 * is what each has seen before.
 */
export function untilHandled(workers, jobs, calls = workers.map(() => 0)) {
  return new Promise((resolve) => {
    const sum = () => calls.reduce((all, one) => all + one, 0)
    let before = -1
    const look = setInterval(() => {
      if (sum() === before) end(`stopped after ${before} handler calls`)
      before = sum()
    }, STALLED_AFTER_MS)
    const end = (failure) => {
      clearInterval(look)
      resolve(failure)
    }
    workers.forEach((worker, index) => {
      worker.on('handled', (count) => {
        calls[index] = count
        if (sum() >= jobs) end(null)
      })
      void worker.result.then(({ failure }) => end(failure))
    })
    if (sum() >= jobs) end(null)
  })
}
