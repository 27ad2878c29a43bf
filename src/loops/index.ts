import type { LoopContext } from './context.ts'
import type { Loop } from './loop.ts'
import { createPruner } from './pruner.ts'
import { createRecovery } from './recovery.ts'
import { createScheduler } from './scheduler.ts'
import { createStats } from './stats.ts'

export type { LoopContext } from './context.ts'
export type { Loop } from './loop.ts'

/** The whole background life of ForgeQ. Every server and every worker runs it; a pass is safe beside all others. */
export const createLoops = (context: LoopContext): Loop[] => [
  createScheduler(context), // next due     scheduled and retrying jobs that are due, expiry, ends of pauses -> pending | cancelled
  createRecovery(context), //  next expiry  running jobs of ended and expired sessions                      -> pending | retrying | dead | cancelled
  createPruner(context), //    60 s         finished jobs, keys, sessions, counts past their time           -> gone
  createStats(context), //      5 s         counts written with the batches                                 -> rolled up
]
