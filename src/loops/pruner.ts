import { pruneMinutes } from '../store/counts.ts'
import { pruneKeys } from '../store/keys.ts'
import { passedWithin, takePass } from '../store/passes.ts'
import {
  addPartition,
  dropPartition,
  listPartitions,
  type Partition,
  pruneDefaultPartition,
} from '../store/retention.ts'
import { pruneSessions } from '../store/sessions.ts'
import type { LoopContext } from './context.ts'
import { createLoop, type Loop } from './loop.ts'

const BATCH = 5_000
const INTERVAL_MS = 60_000
const WITHIN_MS = INTERVAL_MS * 0.8
const DAY_MS = 86_400_000
/** Partitions are there so many days before the first row goes into them. */
const DAYS_AHEAD = 14
/** From so far ahead on a partition holds a week. */
const WEEKLY_FROM_DAYS = 100
const KEEP_MINUTES_MS = 8 * DAY_MS

/** Removes what is past its time: history by whole partitions, keys, ended sessions, old counts. Makes the partitions ahead. */
export function createPruner(context: LoopContext): Loop {
  const { db, lookout, log, onHandled } = context
  return createLoop({
    name: 'pruner',
    intervalMs: INTERVAL_MS,
    batch: BATCH,
    log,
    ...(onHandled && { onHandled }),
    async run() {
      const partitions = await prunePartitions(context)
      const rows = [
        await pruneDefaultPartition(db, { limit: BATCH }),
        await pruneKeys(db, { limit: BATCH }),
        await pruneSessions(db, { limit: BATCH }),
      ]
      await pruneMinutes(db, { keepMs: KEEP_MINUTES_MS })
      return Math.max(partitions, ...rows)
    },
    async turn() {
      const { passes } = await lookout.look()
      return !passedWithin(passes.get('pruner'), WITHIN_MS) && takePass(db, { name: 'pruner', withinMs: WITHIN_MS })
    },
  })
}

/** Each in a transaction of its own that gives up soon: behind an open reader it is tried again with the next pass. */
async function prunePartitions({ db, keeping, log }: LoopContext): Promise<number> {
  const { today, partitions } = await listPartitions(db)
  const over = partitions.filter(({ to }) => to <= today)
  const there = [...partitions]
  let dropped = 0
  const drop = (partition: Partition) => db.transaction((tx) => dropPartition(tx, partition)).then(() => true)
  for (const partition of over) if (await attempt(() => drop(partition))) dropped++
  for (const partition of wantedPartitions(today, keeping)) {
    if (there.some((one) => one.from < partition.to && partition.from < one.to)) continue
    if (await attempt(() => db.transaction((tx) => addPartition(tx, partition)))) there.push(partition)
  }
  return dropped

  async function attempt(work: () => Promise<boolean>): Promise<boolean> {
    try {
      return await work()
    } catch (error) {
      log.debug({ loop: 'pruner', err: error }, 'a partition could not be changed now')
      return false
    }
  }
}

/** The partitions that rows may go into from today on, for each time that finished jobs are kept. */
export function wantedPartitions(
  today: string,
  { completedMs, cancelledMs, deadMs }: { completedMs: number; cancelledMs: number; deadMs: number },
): Partition[] {
  const wanted = new Map<string, Partition>()
  for (const keptMs of new Set([completedMs, cancelledMs, deadMs])) {
    const first = Math.floor(keptMs / DAY_MS)
    for (let ahead = first; ahead <= first + DAYS_AHEAD; ahead++) {
      const partition = partitionOf(dayNumber(today) + ahead, ahead >= WEEKLY_FROM_DAYS ? 7 : 1)
      wanted.set(partition.name, partition)
    }
  }
  // Where days and weeks meet, the days that are there first stay.
  return [...wanted.values()]
    .sort((a, b) => (a.from < b.from ? -1 : 1))
    .reduce<Partition[]>((kept, next) => (next.from < (kept.at(-1)?.to ?? '') ? kept : [...kept, next]), [])
}

const dayNumber = (day: string) => Date.parse(`${day}T00:00:00Z`) / DAY_MS
const dayText = (number: number) => new Date(number * DAY_MS).toISOString().slice(0, 10)

function partitionOf(day: number, days: number): Partition {
  const start = Math.floor(day / days) * days
  const from = dayText(start)
  return {
    name: `finished_jobs_${from.replaceAll('-', '_')}${days > 1 ? '_week' : ''}`,
    from,
    to: dayText(start + days),
  }
}
