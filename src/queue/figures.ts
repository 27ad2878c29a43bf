import { ForgeQError } from '../errors.ts'
import { isUuidV7 } from '../job/id.ts'
import type { Database } from '../store/database.ts'
import { countTotals, recentCounts } from '../store/counts.ts'
import { countDead, countLive, type Depth, listPauses, queueNames } from '../store/queues.ts'
import { listSessions, type SessionRecord } from '../store/sessions.ts'
import type { Pause, QueueFigures, StoreFigures, WorkerFigures } from './job-queue.ts'

/** Ends of jobs, as opposed to runs that did not end theirs and acts of people. */
const ENDS = new Set(['completed', 'dead', 'cancelled'])
const OUTCOMES = new Set([...ENDS, 'failed', 'snoozed', 'released', 'lost'])

export interface Figures {
  queues(): Promise<QueueFigures[]>
  queue(name: string): Promise<QueueFigures>
  workers(): Promise<WorkerFigures[]>
  worker(id: string): Promise<WorkerFigures>
  store(): Promise<StoreFigures>
  /** The next look is a fresh one: somebody has just changed a queue. */
  forget(): void
}

/** Counting a big table takes its time: a look is shared by all who ask while it is under way or younger than this. */
const FRESH_MS = 500

export function createFigures(db: Database): Figures {
  const live = shared(() => lookAtQueues(db))
  const sessions = shared(() => listSessions(db))

  const queue = async (name: string): Promise<QueueFigures> => {
    const named = async () => (await live.get()).find((one) => one.name === name)
    let found = await named()
    if (!found) {
      live.forget() // it may have had its first job since
      found = await named()
    }
    if (!found) {
      throw new ForgeQError('queue_not_found', `nothing is known of a queue ${name}`, {
        hint: 'a queue appears with its first job, or when it is paused',
        details: { name },
      })
    }
    return found
  }

  return {
    queues: () => live.get(),
    queue,
    workers: () => sessions.get(),
    async worker(id) {
      const [found] = isUuidV7(id) ? await listSessions(db, id) : []
      if (!found) throw new ForgeQError('worker_not_found', `no worker has id ${id}`, { details: { id } })
      return found
    },
    async store() {
      const [queues, totals, workers] = await Promise.all([live.get(), countTotals(db), sessions.get()])
      return {
        queues,
        enqueued: totals
          .filter(({ event }) => event === 'enqueued')
          .map(({ queue, type, n }) => ({ queue, type, count: n })),
        outcomes: totals
          .filter(({ event }) => OUTCOMES.has(event))
          .map(({ queue, type, event, n }) => ({ queue, type, outcome: event, count: n })),
        lost: totals.reduce((sum, { event, n }) => (event === 'lost' ? sum + n : sum), 0),
        workers: workers.filter(({ status }) => status !== 'lost').length,
      }
    },
    forget() {
      live.forget()
      sessions.forget()
    },
  }
}

async function lookAtQueues(db: Database): Promise<QueueFigures[]> {
  const [names, depths, dead, pauses, sessions, recent] = await Promise.all([
    queueNames(db),
    countLive(db),
    countDead(db),
    listPauses(db),
    listSessions(db),
    recentCounts(db),
  ])
  const workers = sessions.filter(({ status }) => status !== 'lost')
  const all = [...new Set([...names, ...depths.map(({ queue }) => queue)])].sort()
  return all.map((name): QueueFigures => {
    const own = depths.filter(({ queue }) => queue === name)
    const pause = pauses.find((one) => one.name === name)
    const oldest = own.reduce((most, { oldestSeconds }) => Math.max(most, oldestSeconds ?? -1), -1)
    const serving = workers.filter((worker) => serves(worker, name))
    return {
      name,
      ...(pause && { paused: pauseOf(pause) }),
      depth: {
        scheduled: depthOf(own, 'scheduled'),
        pending: depthOf(own, 'pending'),
        running: depthOf(own, 'running'),
        retrying: depthOf(own, 'retrying'),
        blocked: depthOf(own, 'blocked'),
        dead: dead.find(({ queue }) => queue === name)?.n ?? 0,
      },
      ...(oldest >= 0 && { oldestPendingSeconds: oldest }),
      rates: {
        enqueued: rateOf(recent, name, (event) => event === 'enqueued'),
        finished: rateOf(recent, name, (event) => ENDS.has(event)),
      },
      workers: serving.length,
      unservedTypes: [...new Set(own.map(({ type }) => type))]
        .filter((type) => !serving.some(({ types }) => types.includes(type)))
        .sort(),
    }
  })
}

const pauseOf = ({ name: _name, ...pause }: Pause & { name: string }): Pause => pause

const depthOf = (depths: readonly Depth[], state: string): number =>
  depths.reduce((sum, depth) => (depth.state === state ? sum + depth.n : sum), 0)

/** An empty list of queues means every queue. */
export const serves = ({ queues }: Pick<SessionRecord, 'queues'>, queue: string): boolean =>
  queues.length === 0 || queues.includes(queue)

function rateOf(
  recent: readonly { queue: string; event: string; n: number; seconds: number }[],
  name: string,
  counts: (event: string) => boolean,
): number {
  const own = recent.filter(({ queue, event }) => queue === name && counts(event))
  const seconds = own[0]?.seconds ?? 60
  return own.reduce((sum, { n }) => sum + n, 0) / seconds
}

function shared<T>(look: () => Promise<T>): { get(): Promise<T>; forget(): void } {
  let looking: Promise<T> | undefined
  let until = 0
  return {
    get() {
      if (looking && performance.now() < until) return looking
      until = Number.POSITIVE_INFINITY
      const mine = look()
      looking = mine
      mine.then(
        () => (until = performance.now() + FRESH_MS),
        () => (looking = undefined),
      )
      return mine
    },
    forget() {
      looking = undefined
    },
  }
}
