import { type LostJob, lockLostJobs, recoverJobs } from '../store/recovery.ts'
import { endExpiredSessions, nextExpiry } from '../store/sessions.ts'
import type { LoopContext } from './context.ts'
import { createLoop, type Loop } from './loop.ts'
import { takePassOf } from './pass.ts'
import { decideLost } from './lost-jobs.ts'
import { SetAside } from './set-aside.ts'

const BATCH = 500
/** A heartbeat that is on its way renews in time: an expiry is looked at a little after its moment. */
const AFTER_EXPIRY_MS = 20
const SPREAD_MS = 200
/** A session that has expired and could not be ended is held by somebody. */
const HELD_MS = 250

/** Ends sessions that have expired and takes their jobs back. Wakes at the next expiry that it knows. */
export function createRecovery(context: LoopContext): Loop {
  const { db, log, recoveryIntervalMs: intervalMs, onHandled } = context
  const setAside = new SetAside()
  return createLoop({
    name: 'recovery',
    intervalMs,
    batch: BATCH,
    log,
    ...(onHandled && { onHandled }),
    async run() {
      // First the session, then its jobs: a claim that commits late is found by the next pass.
      await endExpiredSessions(db)
      return recoverBatch(context, setAside)
    },
    async look() {
      const { expiryMs, passedMs } = await nextExpiry(db, { pass: 'recovery' })
      const mine = (expiryMs ?? 1) <= 0 || (await takePassOf(db, { name: 'recovery', intervalMs, passedMs }))
      if (expiryMs === undefined) return { mine }
      // Not all of a hundred processes at once: the first ends what has expired, and the others see that it is done.
      return { mine, nextMs: expiryMs > 0 ? expiryMs + AFTER_EXPIRY_MS + Math.random() * SPREAD_MS : HELD_MS }
    },
  })
}

async function recoverBatch(context: LoopContext, setAside: SetAside): Promise<number> {
  let seen: string[] = []
  return setAside.pass(
    (except) => takeBack(context, { limit: BATCH, except }, (jobs) => (seen = jobs.map(({ id }) => id))),
    { ids: async () => seen, take: (id) => takeBack(context, { limit: 1, only: id }), log: context.log },
  )
}

/**
 * Looks, decides, writes: no lock is held in between, and the write has its own fences. A death in between leaves the jobs
 * as they were.
 */
async function takeBack(
  { db, keeping, log, wakeWorkers }: LoopContext,
  which: { limit: number; except?: readonly string[]; only?: string },
  onFound: (jobs: readonly LostJob[]) => void = () => {},
): Promise<number> {
  const lost = await lockLostJobs(db, which)
  onFound(lost)
  if (lost.length === 0) return 0
  const decided = lost.map((job) => decideLost(job))
  const written = await recoverJobs(db, decided, keeping)
  const ready = new Set<string>()
  for (const [index, { id, state, worker, error }] of decided.entries()) {
    if (!written.has(id)) continue
    log.warn({ job_id: id, state, worker: worker?.name, error: error?.message }, 'took back a lost job')
    if (state === 'pending') ready.add(lost[index]!.queue)
  }
  wakeWorkers(ready)
  return written.size
}
