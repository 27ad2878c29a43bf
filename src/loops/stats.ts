import { rollUpCounts } from '../store/counts.ts'
import { takePass } from '../store/passes.ts'
import type { LoopContext } from './context.ts'
import { createLoop, type Loop } from './loop.ts'

const BATCH = 10_000
const INTERVAL_MS = 5_000

/** Adds up the counts that enqueues and outcomes have written beside their batches. */
export function createStats({ db, log, onHandled }: LoopContext): Loop {
  return createLoop({
    name: 'stats',
    intervalMs: INTERVAL_MS,
    batch: BATCH,
    log,
    ...(onHandled && { onHandled }),
    run: () => rollUpCounts(db, { limit: BATCH }),
    turn: () => takePass(db, { name: 'stats', withinMs: INTERVAL_MS * 0.8 }),
  })
}
