import type { FormerSession } from '../store/sessions.ts'

/** A worker that lived shorter than this did not live from its jobs. */
const YOUNG_MS = 30_000
const BRAKED_FROM = 3
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 60_000

/** More former sessions than this make no difference: the pause is at its longest. */
export const LOOK_BACK = 20

/** Set on the session of a worker that kept dying; times are of `performance.now()`. */
export interface CrashBrake {
  /** Leases nothing before. */
  readonly from: number
  /** From then on it has lived long enough. */
  readonly until: number
  /** Until then it leases one job; this says that it has. */
  leased: boolean
}

export const brakeAfter = (pauseMs: number, now = performance.now()): CrashBrake => ({
  from: now + pauseMs,
  until: now + pauseMs + YOUNG_MS,
  leased: false,
})

/** How many jobs a worker under this brake may lease now. */
export function allowed({ from, until, leased }: CrashBrake, now = performance.now()): number {
  if (now < from) return 0
  if (now >= until) return Infinity
  return leased ? 0 : 1
}

/**
 * How long a worker waits before its first lease, in milliseconds: 0, unless the last three processes that were this
 * worker have all died young. A worker that cannot live would otherwise take jobs down at each of its starts, as fast as
 * it is started again. `isAlive` tells whether the process of a session that nobody has ended exists.
 */
export function startPauseMs(former: readonly FormerSession[], isAlive: (session: FormerSession) => boolean): number {
  let died = 0
  let nextStartedAtMs = Infinity
  for (const session of former) {
    if (isAlive(session)) continue // another worker of the same name
    if (session.endReason === 'stopped' || session.livedMs >= YOUNG_MS) break
    // Workers that lived side by side may have died of one and the same thing.
    if (session.lastSeenAtMs > nextStartedAtMs) continue
    nextStartedAtMs = session.startedAtMs
    died++
  }
  return died < BRAKED_FROM ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (died - BRAKED_FROM))
}

/** Whether a session's process lives on this host. One with our own number, of a session that is not ours, is gone: a container starts again with the same. */
export function isAliveHere({ id, pid, endReason }: FormerSession, ours: ReadonlySet<string>): boolean {
  if (ours.has(id)) return true
  if (endReason !== undefined || pid === process.pid) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
