import { expireJobs, findExpired, nextDue, promoteDueJobs } from '../store/due.ts'
import { endPauses } from '../store/queues.ts'
import type { LoopContext } from './context.ts'
import { createLoop, type Loop } from './loop.ts'
import { SetAside } from './set-aside.ts'
import { Turns } from './turns.ts'

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
  const turns = new Turns(db, { name: 'scheduler', intervalMs: INTERVAL_MS })
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
      await turns.made()
      return Math.max(promoted.length, expired)
    },
    async look() {
      const { dueMs, last } = await nextDue(db, { pass: 'scheduler' })
      const mine = turns.isMine({ due: dueMs !== undefined && dueMs <= 0, last })
      if (dueMs === undefined) return { mine }
      return { mine, nextMs: Math.max(dueMs < -HELD_MS ? HELD_MS : SHORTEST_MS, dueMs) + turns.delayMs(last) }
    },
  })
}
