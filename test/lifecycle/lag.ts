const EVERY_MS = 20

/** How long this process itself was kept waiting by the machine, at most, since it was last asked. */
export interface Lag {
  worstMs(): number
  stop(): void
}

/** On a machine that does too much at once a limit in time says nothing about the product: this says how much too much. */
export function watchLag(): Lag {
  let last = Date.now()
  let worst = 0
  const timer = setInterval(() => {
    worst = Math.max(worst, Date.now() - last - EVERY_MS)
    last = Date.now()
  }, EVERY_MS)
  return {
    worstMs: () => Math.max(worst, Date.now() - last - EVERY_MS),
    stop: () => clearInterval(timer),
  }
}
