import { ForgeQError } from '../errors.ts'
import { createdJob } from './created-job.ts'
import { canonicalJson } from '../job/json-canonical.ts'
import type { Job } from '../job/job.ts'
import type { FinalState } from '../job/state.ts'
import type { Database } from '../store/database.ts'
import { insertGivenJobs, type InsertedJob, insertJobs, removeFreshJobs, type StorableJob } from '../store/enqueue.ts'
import { readMeanings } from '../store/jobs.ts'
import { dropExpiredKeys, dropKeys, readKeys, takeKeys } from '../store/keys.ts'

/** A job to be stored; `given` when the caller chose its id. */
export interface GuardedJob extends StorableJob {
  given: boolean
}

export type Stored =
  | { kind: 'created'; inserted: InsertedJob }
  | { kind: 'existing'; job: Job }
  | { kind: 'removed'; id: string; state: FinalState }

/** Where a job stands in the call, for the error's path: '' for a call of one. */
export type PathOf = (index: number) => string

const conflict = (what: 'idempotency key' | 'id', id: string, path: string) =>
  new ForgeQError('conflict', `the same ${what} was used for another job, ${id}: nothing was changed`, {
    hint: `send what was sent before to get job ${id} again, or another ${what === 'id' ? 'id' : 'key'}`,
    details: { id },
    errors: [
      { path, message: `the ${what} belongs to job ${id}, which was asked for with another type, payload or options` },
    ],
  })

/**
 * Stores jobs with idempotency keys or ids of the callers' choice, all or none, inside a transaction. A job that was
 * there already is answered with and not made again; one that was there with another meaning is a conflict, and the
 * transaction is left as it was found, so that a caller's own goes on unharmed.
 */
export async function insertGuarded(tx: Database, jobs: readonly GuardedJob[], pathOf: PathOf): Promise<Stored[]> {
  const firsts = firstOfEach(jobs, pathOf)
  const undo: { keys: string[]; ids: string[] } = { keys: [], ids: [] }
  try {
    const stored = new Map<GuardedJob, Stored>()
    const fresh = await settleKeys(tx, firsts, stored, undo, jobs, pathOf)
    await storeFresh(tx, fresh, stored, undo, jobs, pathOf)
    return jobs.map((job) => {
      const first = firsts.get(job)!
      const outcome = stored.get(first)!
      return first !== job && outcome.kind === 'created'
        ? { kind: 'existing', job: createdJob(first, outcome.inserted) }
        : outcome
    })
  } catch (error) {
    // An error of ours, not of the database: the transaction lives, and may be the caller's.
    if (error instanceof ForgeQError && error.cause === undefined) {
      if (undo.ids.length > 0) await removeFreshJobs(tx, undo.ids)
      if (undo.keys.length > 0) await dropKeys(tx, undo.keys)
    }
    throw error
  }
}

/** For each job the first in this call with its key or id: one statement cannot store a thing twice. */
function firstOfEach(jobs: readonly GuardedJob[], pathOf: PathOf): Map<GuardedJob, GuardedJob> {
  const seen = new Map<string, GuardedJob>()
  const firsts = new Map<GuardedJob, GuardedJob>()
  for (const [index, job] of jobs.entries()) {
    const names = [job.given && `id ${job.id}`, job.idempotencyKey !== undefined && `key ${job.idempotencyKey}`].filter(
      (name) => name !== false,
    )
    const first = names.map((name) => seen.get(name)).find((found) => found !== undefined) ?? job
    if (first !== job && first.meaning !== job.meaning) {
      throw conflict(
        first.idempotencyKey === job.idempotencyKey && job.idempotencyKey !== undefined ? 'idempotency key' : 'id',
        first.id,
        pathOf(index),
      )
    }
    for (const name of names) if (!seen.has(name)) seen.set(name, first)
    firsts.set(job, first)
  }
  return firsts
}

/** Takes the keys that are free and settles the jobs whose keys are not. Returns the jobs still to be stored. */
async function settleKeys(
  tx: Database,
  firsts: Map<GuardedJob, GuardedJob>,
  stored: Map<GuardedJob, Stored>,
  undo: { keys: string[] },
  jobs: readonly GuardedJob[],
  pathOf: PathOf,
): Promise<GuardedJob[]> {
  const distinct = [...new Set(firsts.values())]
  let open = distinct.filter((job) => job.idempotencyKey !== undefined)
  // A key that was held and is gone when it is read has just been freed: try again, a few times.
  for (let round = 0; open.length > 0 && round < 5; round++) {
    const claims = open.map((job) => ({ key: job.idempotencyKey!, jobId: job.id, meaning: job.meaning! }))
    const taken = await takeKeys(tx, claims)
    undo.keys.push(...taken)
    open = open.filter((job) => !taken.has(job.idempotencyKey!))
    if (open.length === 0) break
    const held = await readKeys(
      tx,
      open.map((job) => job.idempotencyKey!),
    )
    const existing = await readMeanings(
      tx,
      [...held.values()].map((key) => key.jobId),
    )
    const expired = [...held.values()].filter((key) => key.expired).map(({ key }) => key)
    if (expired.length > 0) await dropExpiredKeys(tx, expired)
    for (const job of open) {
      const key = held.get(job.idempotencyKey!)
      if (!key || key.expired) continue
      if (key.meaning !== job.meaning) throw conflict('idempotency key', key.jobId, pathOf(jobs.indexOf(job)))
      const found = existing.get(key.jobId)
      if (found) stored.set(job, { kind: 'existing', job: found.job })
      else if (key.state) stored.set(job, { kind: 'removed', id: key.jobId, state: key.state })
    }
    open = open.filter((job) => !stored.has(job))
  }
  if (open.length > 0)
    throw new ForgeQError('unavailable', 'the idempotency key is being freed just now', { hint: 'repeat the call' })
  return distinct.filter((job) => !stored.has(job))
}

async function storeFresh(
  tx: Database,
  fresh: readonly GuardedJob[],
  stored: Map<GuardedJob, Stored>,
  undo: { keys: string[]; ids: string[] },
  jobs: readonly GuardedJob[],
  pathOf: PathOf,
): Promise<void> {
  if (fresh.length === 0) return
  const given = fresh.filter((job) => job.given)
  const inserted = given.length > 0 ? await insertGivenJobs(tx, fresh) : await insertOwn(tx, fresh)
  undo.ids.push(...inserted.keys())
  if (given.length > 0) await settleGiven(tx, given, inserted, stored, jobs, pathOf)
  for (const job of fresh) {
    if (!job.given) stored.set(job, { kind: 'created', inserted: inserted.get(job.id)! })
  }
}

async function insertOwn(tx: Database, jobs: readonly StorableJob[]): Promise<Map<string, InsertedJob>> {
  const inserted = await insertJobs(tx, jobs)
  return new Map(jobs.map(({ id }) => [id, inserted.get(id)!]))
}

/** Tells which of the given ids are new. Those that are in the history were inserted a moment ago and are taken out again. */
async function settleGiven(
  tx: Database,
  given: readonly GuardedJob[],
  inserted: Map<string, InsertedJob>,
  stored: Map<GuardedJob, Stored>,
  jobs: readonly GuardedJob[],
  pathOf: PathOf,
): Promise<void> {
  const earlier = await readMeanings(
    tx,
    given.map((job) => job.id),
    { besides: [...inserted.keys()] },
  )
  const again = given.filter((job) => earlier.has(job.id))
  const twice = again.filter((job) => inserted.has(job.id)).map((job) => job.id)
  if (twice.length > 0) await removeFreshJobs(tx, twice)
  for (const job of again) {
    const { meaning, job: found } = earlier.get(job.id)!
    if (!sameMeaning(job, meaning, found)) throw conflict('id', job.id, pathOf(jobs.indexOf(job)))
    stored.set(job, { kind: 'existing', job: found })
  }
  const unusedKeys = again.flatMap((job) => (job.idempotencyKey === undefined ? [] : [job.idempotencyKey]))
  if (unusedKeys.length > 0) await dropKeys(tx, unusedKeys)
  for (const job of given) {
    if (stored.has(job)) continue
    const row = inserted.get(job.id)
    // Neither inserted nor found: it was deleted between the two looks.
    if (!row)
      throw new ForgeQError('unavailable', `job ${job.id} is being deleted just now`, { hint: 'repeat the call' })
    stored.set(job, { kind: 'created', inserted: row })
  }
}

/** A job under an id of our own making has no digest; then its type, queue and payload must be the same. */
function sameMeaning(job: GuardedJob, meaning: string | null, found: Job): boolean {
  if (meaning !== null) return meaning === job.meaning
  return (
    found.type === job.type &&
    found.queue === job.queue &&
    canonicalJson(found.payloadJson) === canonicalJson(job.payloadJson)
  )
}
