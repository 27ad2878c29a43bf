import { expireJobs, findExpired, promoteDueJobs } from '../store/due.ts'
import { endPauses } from '../store/queues.ts'
import type { LoopContext } from './context.ts'
import { createLoop, type Loop } from './loop.ts'
import { SetAside } from './set-aside.ts'
import { Turns } from './turns.ts'

const BATCH = 1_000
const INTERVAL_MS = 1_000
/** A pass is made so often although nothing is known to be due. */
const ANYWAY_MS = 30_000

/** Makes due jobs pending, ends those that expired unstarted, and pauses whose time is over. Sleeps until the next is due. */
export function createScheduler({ db, lookout, log, keeping, wakeWorkers, onHandled }: LoopContext): Loop {
  const setAside = new SetAside()
  const expire = () =>
    setAside.pass((except) => expireJobs(db, { limit: BATCH, keeping, except }), {
      ids: () => findExpired(db, { limit: BATCH }),
      take: (only) => expireJobs(db, { limit: 1, keeping, only }),
      log,
    })
  const turns = new Turns(db, {
    name: 'scheduler',
    lookout,
    dueMs: (sight) => sight.dueMs,
    anywayMs: () => ANYWAY_MS,
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
      await turns.made()
      return Math.max(promoted.length, expired)
    },
    look: (how) => turns.look(how),
  })
}
