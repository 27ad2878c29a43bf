import { isForgeQError } from '../errors.ts'
import type { NewJob } from '../job/job.ts'
import { callersTransaction, requireFreshSnapshots } from '../store/caller-transaction.ts'
import type { Database, DatabasePool } from '../store/database.ts'
import { insertJobs, limitLockWait, type StorableJob } from '../store/enqueue.ts'
import { createdJob } from './created-job.ts'
import { type GuardedJob, insertGuarded, type PathOf, type Stored } from './guarded-inserts.ts'
import type { CallerTransaction, Enqueued, EnqueueOptions } from './job-queue.ts'
import { meaningOf } from './meaning.ts'
import { newId } from './new-id.ts'
import type { Notifier } from './notifier.ts'
import { createSharedInserts } from './shared-inserts.ts'
import { Turnstile } from './turnstile.ts'

/** How long an enqueue with a key waits for another transaction that holds the same key. */
const KEY_WAIT_MS = 5_000

export interface Enqueuer {
  enqueue(job: NewJob, options?: EnqueueOptions): Promise<Enqueued>
  enqueueMany(jobs: NewJob[], options?: EnqueueOptions): Promise<Enqueued[]>
}

const isGuarded = (job: NewJob) => job.id !== undefined || job.idempotencyKey !== undefined

const guarded = (job: NewJob): GuardedJob => ({
  ...job,
  id: job.id ?? newId(),
  given: job.id !== undefined,
  meaning: meaningOf(job),
})

const enqueued = (job: GuardedJob, stored: Stored): Enqueued => {
  if (stored.kind === 'created') return { created: true, job: createdJob(job, stored.inserted) }
  if (stored.kind === 'existing') return { created: false, job: stored.job }
  return { created: false, removed: { id: stored.id, state: stored.state } }
}

const MOST_BYTES = 67_108_864
/** What one statement takes lives in memory many times over: as jobs, as JSON, as bytes, as rows. */
const MOST_JOBS = 2_000

function chunks(jobs: readonly NewJob[]): NewJob[][] {
  const parts: NewJob[][] = [[]]
  let bytes = 0
  for (const job of jobs) {
    if (parts.at(-1)!.length >= MOST_JOBS || bytes > MOST_BYTES) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)!.push(job)
    bytes += job.payloadJson.length
  }
  return parts
}

async function inTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  for (const item of items) results.push(await work(item))
  return results
}

/** Puts jobs on their queues: alone, many at once, in a caller's transaction, with keys and ids or without. */
export function createEnqueuer(db: DatabasePool, notifier: Notifier): Enqueuer {
  const shared = createSharedInserts(db)
  // A key that somebody holds keeps those who want it waiting, each on a connection: not on all of them.
  const waitingForKeys = new Turnstile(Math.max(1, Math.floor(db.stats.size / 2)))

  function wake(jobs: readonly Enqueued[]): void {
    for (const { created, job } of jobs) {
      if (created && job) notifier.wake(job.state === 'pending' ? 'pending' : 'due', job.queue)
    }
  }

  async function insertAllGuarded(
    jobs: readonly NewJob[],
    tx: CallerTransaction | undefined,
    pathOf: PathOf,
  ): Promise<Enqueued[]> {
    const prepared = jobs.map((job) => (isGuarded(job) ? guarded(job) : { ...job, id: newId(), given: false }))
    const stored =
      tx !== undefined
        ? await insertInto(callersTransaction(tx), prepared, pathOf)
        : await waitingForKeys.pass(() =>
            db.transaction(async (own) => {
              await limitLockWait(own, KEY_WAIT_MS)
              return insertGuarded(own, prepared, pathOf)
            }),
          )
    return stored.map((one, index) => enqueued(prepared[index]!, one))
  }

  async function insertInto(tx: Database, prepared: readonly GuardedJob[], pathOf: PathOf): Promise<Stored[]> {
    if (prepared.some(({ given }) => given)) await requireFreshSnapshots(tx)
    return insertGuarded(tx, prepared, pathOf)
  }

  /** One statement, or several in a transaction. */
  async function insertAllPlain(jobs: readonly NewJob[], tx: CallerTransaction | undefined): Promise<Enqueued[]> {
    const parts = chunks(jobs)
    const insertParts = async (into: Database) => (await inTurn(parts, (part) => insertPart(into, part))).flat()
    if (tx !== undefined) return insertParts(callersTransaction(tx))
    return parts.length === 1 ? insertPart(db, jobs) : db.transaction(insertParts)
  }

  async function insertPart(into: Database, jobs: readonly NewJob[]): Promise<Enqueued[]> {
    const prepared: StorableJob[] = jobs.map((job) => ({ ...job, id: newId() }))
    const inserted = await insertJobs(into, prepared)
    return prepared.map((job) => ({ created: true, job: createdJob(job, inserted.get(job.id)!) }))
  }

  return {
    async enqueue(job, { tx } = {}) {
      const [one] = isGuarded(job)
        ? await insertAllGuarded([job], tx, () => '')
        : tx !== undefined
          ? await insertAllPlain([job], tx)
          : [await insertShared(job)]
      if (tx === undefined) wake([one!])
      return one!
    },
    async enqueueMany(jobs, { tx } = {}) {
      if (jobs.length === 0) return []
      const all = jobs.some(isGuarded)
        ? await insertAllGuarded(jobs, tx, (index) => `jobs[${index}]`)
        : await insertAllPlain(jobs, tx)
      if (tx === undefined) wake(all)
      return all
    },
  }

  async function insertShared(job: NewJob): Promise<Enqueued> {
    const storable = { ...job, id: newId() }
    try {
      return { created: true, job: createdJob(storable, await shared.insert(storable)) }
    } catch (error) {
      // Unknown: with this id the caller can ask for the same job again.
      if (isForgeQError(error, 'unavailable')) error.details['id'] = storable.id
      throw error
    }
  }
}
