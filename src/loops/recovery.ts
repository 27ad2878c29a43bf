import { type LostJob, lockLostJobs, recoverJobs } from '../store/recovery.ts'
import { endExpiredSessions } from '../store/sessions.ts'
import type { LoopContext } from './context.ts'
import { createLoop, type Loop, type Pass } from './loop.ts'
import { decideLost } from './lost-jobs.ts'
import { SetAside } from './set-aside.ts'
import { Turns } from './turns.ts'

const BATCH = 500
/** A heartbeat that is on its way renews in time: an expiry is looked at a little after its moment. */
const AFTER_EXPIRY_MS = 20
/** Nothing is leased that could be lost: a crowd of sessions that expire one after the other is ended in a few passes. */
const IDLE_AFTER_EXPIRY_MS = 1_000
/** A pass is made so often although nobody holds a job and no session has expired. */
const ANYWAY_MS = 30_000

/** Ends sessions that have expired and takes their jobs back. Wakes at the next expiry that it knows. */
export function createRecovery(context: LoopContext): Loop {
  const { db, lookout, log, recoveryIntervalMs: intervalMs, onHandled } = context
  const setAside = new SetAside()
  const turns = new Turns(db, {
    name: 'recovery',
    lookout,
    dueMs: ({ expiryMs, leased }) =>
      expiryMs === undefined ? undefined : expiryMs + (leased ? AFTER_EXPIRY_MS : IDLE_AFTER_EXPIRY_MS),
    // Nothing tells of a job whose session is over, other than a pass.
    anywayMs: ({ leased }) => (leased ? intervalMs : Math.max(intervalMs, ANYWAY_MS)),
  })
  return createLoop({
    name: 'recovery',
    intervalMs,
    batch: BATCH,
    log,
    ...(onHandled && { onHandled }),
    async run() {
      // First the session, then its jobs: a claim that commits late is found by the next pass.
      await endExpiredSessions(db)
      const pass = await recoverBatch(context, setAside)
      await turns.made()
      return pass
    },
    look: (how) => turns.look(how),
  })
}

async function recoverBatch(context: LoopContext, setAside: SetAside): Promise<Pass> {
  let seen: string[] = []
  const handled = await setAside.pass(
    (except) => takeBack(context, { limit: BATCH, except }, (jobs) => (seen = jobs.map(({ id }) => id))),
    { ids: async () => seen, take: (id) => takeBack(context, { limit: 1, only: id }), log: context.log },
  )
  // Of a full batch another process may have written some meanwhile: that is no sign of there being no more.
  return { handled, more: seen.length >= BATCH && handled > 0 }
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
