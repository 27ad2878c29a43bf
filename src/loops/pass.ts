import type { Database } from '../store/database.ts'
import { takePass } from '../store/passes.ts'

/** Nobody has made a pass for this part of the interval: it is anybody's. */
const OVERDUE = 0.8

/**
 * Takes a pass that is made for the time that has gone by, unless another process has made it. Asked of the store only
 * where the last look says that it may be due: of many idle processes one pays for it.
 */
export async function takePassOf(
  db: Database,
  { name, intervalMs, passedMs }: { name: string; intervalMs: number; passedMs: number | undefined },
): Promise<boolean> {
  const withinMs = intervalMs * OVERDUE
  // Negative: its clock was set back since.
  const mayBeDue = passedMs === undefined || passedMs >= withinMs || passedMs <= -withinMs
  return mayBeDue && takePass(db, { name, withinMs })
}
