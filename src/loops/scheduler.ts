import { expireJobs, findExpired, nextDue, promoteDueJobs } from '../store/due.ts'
import { endPauses } from '../store/queues.ts'
import type { LoopContext } from './context.ts'
import { takePassOf } from './pass.ts'
import { createLoop, type Loop } from './loop.ts'
import { SetAside } from './set-aside.ts'

const BATCH = 1_000
const INTERVAL_MS = 1_000
/** Nothing is due again sooner than this after a pass, however often it is looked for. */
const SHORTEST_MS = 5
/** What has been due for longer than this and was not to be had is locked by somebody: it is looked at again after this time. */
const HELD_MS = 250

/** Makes due jobs pending, ends those that expired unstarted, and pauses whose time is over. Sleeps until the next is due. */
export function createScheduler({ db, log, keeping, wakeWorkers, onHandled }: LoopContext): Loop {
  const setAside = new SetAside()
  const expire = () =>
    setAside.pass((except) => expireJobs(db, { limit: BATCH, keeping, except }), {
      ids: () => findExpired(db, { limit: BATCH }),
      take: (only) => expireJobs(db, { limit: 1, keeping, only }),
      log,
    })
  return createLoop({
    name: 'scheduler',
    intervalMs: INTERVAL_MS,
    batch: BATCH,
    log,
    ...(onHandled && { onHandled }),
    async run() {
      const promoted = await promoteDueJobs(db, { limit: BATCH })
      const resumed = await endPauses(db)
      wakeWorkers(new Set([...promoted, ...resumed]))
      const expired = await expire()
      return Math.max(promoted.length, expired)
    },
    async look() {
      const { dueMs, passedMs } = await nextDue(db, { pass: 'scheduler' })
      return {
        mine: (dueMs ?? 1) <= 0 || (await takePassOf(db, { name: 'scheduler', intervalMs: INTERVAL_MS, passedMs })),
        ...(dueMs !== undefined && { nextMs: Math.max(dueMs < -HELD_MS ? HELD_MS : SHORTEST_MS, dueMs) }),
      }
    },
  })
}
