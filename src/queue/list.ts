import { ForgeQError } from '../errors.ts'
import { canonicalId, isUuidV7 } from '../job/id.ts'
import type { Job } from '../job/job.ts'
import type { Database } from '../store/database.ts'
import { type JobSearch, searchJobs } from '../store/search.ts'
import { checkFilter } from './checks.ts'
import type { JobFilter, JobPage } from './job-queue.ts'

/** After this long a search answers with what it has. */
const SEARCH_MS = 400
const FIRST_LOOK = 1_000
const MOST_LOOKED = 20_000

/**
 * One page of jobs, newest first: by id, whose first part is the time at which it was made. A page ends at the limit,
 * at the end of all jobs, or when its time is over; `nextCursor` goes on from where it stopped.
 */
export async function listJobs(db: Database, asked: JobFilter): Promise<JobPage> {
  checkFilter(asked)
  const { limit, cursor, ...filter } = asked
  const search = searchOf(filter)
  const started = performance.now()
  const items: Job[] = []
  let before = cursor === undefined ? null : idFromCursor(cursor)
  let look = unfiltered(search) ? limit : Math.max(limit, FIRST_LOOK)
  for (;;) {
    const chunk = await searchJobs(db, search, { before, look, limit: limit - items.length })
    items.push(...chunk.jobs)
    if (items.length >= limit) return { items, nextCursor: cursorFromId(items.at(-1)!.id) }
    if (chunk.searchedTo === undefined) return { items }
    before = chunk.searchedTo
    if (performance.now() - started >= SEARCH_MS) {
      return {
        items,
        nextCursor: cursorFromId(before),
        ...(chunk.searchedUntil && { searchedUntil: chunk.searchedUntil }),
      }
    }
    look = Math.min(MOST_LOOKED, look * 2)
  }
}

const unfiltered = (search: JobSearch) =>
  Object.values(search).every((value) => value === null || (Array.isArray(value) && value.length === 0))

const searchOf = (filter: Omit<JobFilter, 'limit' | 'cursor'>): JobSearch => ({
  states: filter.states ?? null,
  queue: filter.queue ?? null,
  type: filter.type ?? null,
  tag: filter.tag ?? null,
  key: filter.key ?? null,
  worker: filter.worker ?? null,
  error: filter.error ?? null,
  createdAfter: filter.createdAfter ?? null,
  createdBefore: filter.createdBefore ?? null,
  finishedAfter: filter.finishedAfter ?? null,
  payload: filter.payload ?? [],
  q: filter.q ?? null,
})

const cursorFromId = (id: string) => Buffer.from(id).toString('base64url')

function idFromCursor(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString('latin1')
  // Ids of other versions never come from us; what does not read back as it was sent is no cursor of ours either.
  if (!isUuidV7(id) || cursorFromId(canonicalId(id)) !== cursor) {
    throw new ForgeQError('invalid_request', 'the cursor is not one that this list gave', {
      hint: 'start without a cursor and pass on the `next_cursor` of each page as it came',
      errors: [{ path: 'cursor', message: 'is not a cursor of this list' }],
    })
  }
  return id
}
