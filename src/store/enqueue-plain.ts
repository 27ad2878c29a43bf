import type { Database } from './database.ts'
import type { Inserted, InsertedJob, StorableJob } from './enqueue.ts'
import { instantFromSeconds } from './instants.ts'
import { epoch, moment } from './moment.ts'
import { sql } from './sql.ts'

const ASKED_FOR_MORE = [
  'runAt',
  'delayMs',
  'expiresAt',
  'expiresInMs',
  'timeoutMs',
  'backoff',
  'idempotencyKey',
  'meaning',
  'traceparent',
  'keepForMs',
] as const satisfies readonly (keyof StorableJob)[]

const isPlain = (job: StorableJob): boolean =>
  job.tags.length === 0 && ASKED_FOR_MORE.every((option) => job[option] === undefined)

type Lane = Pick<StorableJob, 'queue' | 'type' | 'priority' | 'maxAttempts'>

/** What plain jobs have in common, each combination once, and which of them each job has, counted from 1. */
export interface PlainLanes {
  lanes: readonly Lane[]
  laneOf: readonly number[]
}

/** To look one up takes as long as there are others before it. */
const MOST_LANES = 20

/** Undefined when one of the jobs asks for more than to run now, or when they have too little in common. */
export function plainLanes(jobs: readonly StorableJob[]): PlainLanes | undefined {
  const lanes: Lane[] = []
  const laneOf: number[] = []
  for (const job of jobs) {
    if (!isPlain(job)) return undefined
    const { queue, type, priority, maxAttempts } = job
    let place = lanes.findIndex(
      (lane) =>
        lane.type === type && lane.queue === queue && lane.priority === priority && lane.maxAttempts === maxAttempts,
    )
    if (place < 0) {
      if (lanes.length === MOST_LANES) return undefined
      place = lanes.push({ queue, type, priority, maxAttempts }) - 1
    }
    laneOf.push(place + 1)
  }
  return { lanes, laneOf }
}

const listOf = (items: readonly (string | number)[]): string => `{${items.join(',')}}`
const quoted = (text: string): string => `"${text.replaceAll(/["\\]/g, '\\$&')}"`

/**
 * What `insertJobs` does for the many jobs that are to run now and say nothing else: what they have in common is sent
 * once, and one row answers for all.
 */
export async function insertPlainJobs(
  db: Database,
  jobs: readonly StorableJob[],
  { lanes, laneOf }: PlainLanes,
): Promise<Inserted> {
  const queues = listOf(lanes.map(({ queue }) => quoted(queue)))
  const types = listOf(lanes.map(({ type }) => quoted(type)))
  const priorities = listOf(lanes.map(({ priority }) => priority))
  const mostAttempts = listOf(lanes.map(({ maxAttempts }) => maxAttempts))
  const ids = listOf(jobs.map(({ id }) => id))
  const payloads = `[${jobs.map(({ payloadJson }) => payloadJson).join(',')}]`
  // Texts that are cast here: whatever driver a caller's transaction is of, it has to know of no arrays.
  const [row] = await db.query<{ now: number | string }>(sql`
    /* forgeq:insert_plain_jobs */
    with ${moment}, lanes as materialized (
      select ${queues}::text::text[] as queues, ${types}::text::text[] as types, ${priorities}::text::smallint[] as priorities,
             ${mostAttempts}::text::integer[] as most_attempts, ${listOf(laneOf)}::text::integer[] as lane_of
    ), fresh as (
      -- A lane is looked up and not joined: the jobs are to be numbered in the order given.
      insert into forgeq.jobs (id, queue, type, state, priority, run_at, created_at, payload, max_attempts)
      select job.id, (select queues from lanes)[job.lane], (select types from lanes)[job.lane], 'pending',
             (select priorities from lanes)[job.lane], (select now from moment), (select now from moment), job.payload,
             (select most_attempts from lanes)[job.lane]
        from rows from (unnest(${ids}::text::uuid[]), unnest((select lane_of from lanes)), jsonb_array_elements(${payloads}::text::jsonb)) as job (id, lane, payload)
    ), counted as (
      insert into forgeq.count_deltas (queue, type, event, n)
      select (select queues from lanes)[lane], (select types from lanes)[lane], 'enqueued', count(*)
        from unnest((select lane_of from lanes)) as lane
       group by lane
    )
    select ${epoch('now')} from moment`)
  const now = instantFromSeconds(row!.now)
  const inserted: InsertedJob = { state: 'pending', runAt: now, createdAt: now }
  return { get: () => inserted }
}
