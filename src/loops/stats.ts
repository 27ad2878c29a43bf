import { rollUpCounts } from '../store/counts.ts'
import { passedWithin, takePass } from '../store/passes.ts'
import type { LoopContext } from './context.ts'
import { createLoop, type Loop } from './loop.ts'

const BATCH = 10_000
const INTERVAL_MS = 5_000
const WITHIN_MS = INTERVAL_MS * 0.8

/** Adds up the counts that enqueues and outcomes have written beside their batches. */
export function createStats({ db, lookout, log, onHandled }: LoopContext): Loop {
  return createLoop({
    name: 'stats',
    intervalMs: INTERVAL_MS,
    batch: BATCH,
    log,
    ...(onHandled && { onHandled }),
    run: () => rollUpCounts(db, { limit: BATCH }),
    async turn() {
      const { counted, passes } = await lookout.look()
      return (
        counted && !passedWithin(passes.get('stats'), WITHIN_MS) && takePass(db, { name: 'stats', withinMs: WITHIN_MS })
      )
    },
  })
}
