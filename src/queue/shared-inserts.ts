import type { Database } from '../store/database.ts'
import { insertJobs, type InsertedJob, type StorableJob } from '../store/enqueue.ts'
import { isForgeQError } from '../errors.ts'

interface Waiting {
  job: StorableJob
  resolve(inserted: InsertedJob): void
  reject(error: unknown): void
}

const IN_FLIGHT = 2
/** One statement at a time gathers the most and costs the least. A second goes beside one that takes longer than this, */
const SLOW_MS = 10
/** or when so many wait. */
const CROWD = 250
const MOST_JOBS = 1_000
const MOST_BYTES = 4_194_304

/**
 * Lets concurrent enqueues share a statement and its flush: whoever comes while one is under way goes into the next. A
 * lone call waits for nobody, and nobody for longer than `SLOW_MS` before his is sent. Only for jobs whose insert can neither wait for somebody else's transaction nor conflict.
 */
export function createSharedInserts(db: Database): { insert(job: StorableJob): Promise<InsertedJob> } {
  let waiting: Waiting[] = []
  let inFlight = 0
  let scheduled = false
  /** What is under way takes its time. */
  let slow = false
  let becomeSlow: NodeJS.Timeout | undefined

  const mayInsert = () => inFlight === 0 || (inFlight < IN_FLIGHT && (slow || waiting.length >= CROWD))

  function take(): Waiting[] {
    let bytes = 0
    let count = 0
    while (count < waiting.length && count < MOST_JOBS && (count === 0 || bytes < MOST_BYTES)) {
      bytes += waiting[count++]!.job.payloadJson.length
    }
    const batch = waiting.slice(0, count)
    waiting = waiting.slice(count)
    return batch
  }

  async function send(batch: Waiting[]): Promise<void> {
    try {
      const inserted = await insertJobs(
        db,
        batch.map(({ job }) => job),
      )
      for (const { job, resolve } of batch) resolve(inserted.get(job.id)!)
    } catch (error) {
      // Away or unknown holds for all of them; anything else is about one job, and the others must not pay for it.
      if (batch.length === 1 || isForgeQError(error, 'unavailable')) for (const { reject } of batch) reject(error)
      else for (const one of batch) await send([one])
    }
  }

  function flush(): void {
    scheduled = false
    while (waiting.length > 0 && mayInsert()) {
      inFlight++
      slow = false
      clearTimeout(becomeSlow)
      becomeSlow = setTimeout(() => {
        slow = true
        flush()
      }, SLOW_MS)
      void send(take()).finally(() => {
        slow = --inFlight > 0 // the older one
        clearTimeout(becomeSlow)
        flush()
      })
    }
  }

  return {
    insert: (job) =>
      new Promise((resolve, reject) => {
        waiting.push({ job, resolve, reject })
        if (scheduled || !mayInsert()) return
        // One microtask gathers all the calls of a caller that makes many at once.
        scheduled = true
        queueMicrotask(flush)
      }),
  }
}
