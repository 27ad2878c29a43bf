import type { Database } from '../store/database.ts'
import { insertJobs, type InsertedJob, type StorableJob } from '../store/enqueue.ts'
import { isForgeQError } from '../errors.ts'

interface Waiting {
  job: StorableJob
  resolve(inserted: InsertedJob): void
  reject(error: unknown): void
}

const IN_FLIGHT = 2
const MOST_JOBS = 1_000
const MOST_BYTES = 4_194_304

/**
 * Lets concurrent enqueues share a statement and its flush: whoever comes while one is under way goes into the next. A
 * lone call waits for nobody. Only for jobs whose insert can neither wait for somebody else's transaction nor conflict.
 */
export function createSharedInserts(db: Database): { insert(job: StorableJob): Promise<InsertedJob> } {
  let waiting: Waiting[] = []
  let inFlight = 0
  let scheduled = false

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
    while (inFlight < IN_FLIGHT && waiting.length > 0) {
      inFlight++
      void send(take()).finally(() => {
        inFlight--
        flush()
      })
    }
  }

  return {
    insert: (job) =>
      new Promise((resolve, reject) => {
        waiting.push({ job, resolve, reject })
        if (scheduled || inFlight >= IN_FLIGHT) return
        // One microtask gathers all the calls of a caller that makes many at once.
        scheduled = true
        queueMicrotask(flush)
      }),
  }
}
