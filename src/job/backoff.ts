export const BACKOFF_KINDS = ['exponential', 'linear', 'fixed'] as const

export interface Backoff {
  kind: (typeof BACKOFF_KINDS)[number]
  baseMs: number
  capMs: number
  /** A part of one: 0.2 spreads the pause by ±20 %. */
  jitter: number
}

/** About 11 days over the default 25 attempts. */
export const DEFAULT_BACKOFF: Backoff = { kind: 'exponential', baseMs: 5_000, capMs: 24 * 3_600_000, jitter: 0.2 }

/** A storm does not push a job back further than this. */
const WIDEST_MS = 60_000

/**
 * Pause in milliseconds before the run after run `attempt` of this life: grows by kind, is capped, then spread by
 * ± jitter, so that jobs which failed together do not come back together. Where very many failed together, up to `widen`
 * times the pause (a minute at most) is added to it. Always finite and positive; without jitter it is exact.
 */
export function pauseMs(
  attempt: number,
  { kind, baseMs, capMs, jitter }: Backoff,
  random = Math.random,
  widen = 0,
): number {
  const doublings = Math.min(attempt - 1, 1_000) // 2 ** 2000 is Infinity, and a base of 0 times that no number
  const grown = kind === 'fixed' ? baseMs : kind === 'linear' ? baseMs * attempt : baseMs * 2 ** doublings
  const capped = Math.min(grown, capMs)
  const widened = widen > 0 && jitter > 0 ? Math.min(WIDEST_MS, capped * widen) * random() : 0
  return Math.max(1, Math.round(capped * (1 + jitter * (2 * random() - 1)) + widened))
}
