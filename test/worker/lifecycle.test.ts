import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll } from 'vitest'
import { uuidv7 } from 'uuidv7'
import { DEFAULTS } from '../../src/config.ts'
import { defineJob, ForgeQ } from '../../src/index.ts'
import { createLoops } from '../../src/loops/index.ts'
import { createNotifier } from '../../src/queue/notifier.ts'
import { keepingOf } from '../../src/queue/create.ts'
import { createListener } from '../../src/store/listener.ts'
import type { Lease, Session } from '../../src/worker/lease.ts'
import { createReporter } from '../../src/worker/reporter.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, insertSession, jobOf } from '../support/factory.ts'
import { describeLifecycle } from '../support/lifecycle.ts'
import { loopContext } from '../support/loops.ts'
import { until } from '../support/worker.ts'

const db = testDatabase()
let forgeq: ForgeQ
beforeAll(() => void (forgeq = new ForgeQ({ databaseUrl: db.url })))
afterAll(() => forgeq.close())

/** True when it happens within the time; what should not happen gets a little less patience. */
const soon = (look: () => boolean | Promise<boolean>, withinMs = 1_500) =>
  until('it happens', look, { withinMs }).then(
    () => true,
    () => false,
  )

let types = 0
describeLifecycle('a worker', () => {
  const type = `life-${types++}`
  let runs = 0
  const worker = forgeq.worker({ jobs: [defineJob({ type, run: () => void runs++ })], loops: false })
  let stopped = false
  return {
    start: () => worker.start(),
    async stop() {
      stopped = true
      await worker.stop({ grace: '1s' })
    },
    async works() {
      const before = runs
      const { id } = await forgeq.enqueue(type)
      const ran = await soon(async () => (await jobOf(db.pool, id)).state === 'completed', stopped ? 300 : 3_000)
      const sessions = await db.sql(`select from forgeq.sessions where types = array[$1] and ended_at is null`, type)
      return ran && runs === before + 1 && sessions.length === 1
    },
  }
})

for (const [index, name] of ['scheduler', 'recovery', 'pruner', 'stats'].entries()) {
  describeLifecycle(`the loop ${name}`, () => {
    const loop = createLoops(loopContext(db.pool, { recoveryIntervalMs: 300 }))[index]!
    let stopped = false
    return {
      start: () => loop.start(),
      stop() {
        stopped = true
        return loop.stop()
      },
      // A wake-up makes every loop pass at once; each leaves its mark in the statistics of the statements it runs.
      async works() {
        const before = await marks[name]!()
        loop.wake()
        // It leaves to the loop before it what that may still do.
        return soon(async () => (await marks[name]!()) > before, stopped ? 400 : 2_000)
      },
    }
  })
}

/** How much each loop has done: makes something for it to do and counts what is done. */
const marks: Record<string, () => Promise<number>> = {
  async scheduler() {
    await insertJob(db.pool, { state: 'scheduled', dueInMs: -1, queue: 'marks' })
    return count(`select count(*)::int as n from forgeq.jobs where queue = 'marks' and state = 'pending'`)
  },
  async recovery() {
    await insertSession(db.pool, { expiresInMs: -1 })
    return count(`select count(*)::int as n from forgeq.sessions where end_reason = 'lease expired'`)
  },
  async pruner() {
    const { id } = { id: await insertSession(db.pool, { ended: 'pruned', endedMsAgo: 100_000_000 }) }
    marked.add(id)
    return marked.size - (await count(`select count(*)::int as n from forgeq.sessions where end_reason = 'pruned'`))
  },
  async stats() {
    await db.sql(`insert into forgeq.count_deltas (queue, type, event, n) values ('marks', 'marks', 'enqueued', 1)`)
    return count(`select coalesce(sum(n), 0)::int as n from forgeq.count_totals where queue = 'marks'`)
  },
}
const marked = new Set<string>()
const count = async (text: string) => (await db.sql<{ n: number }>(text))[0]!.n

describeLifecycle('the listener', () => {
  const listener = createListener(db.pool)
  let heard = 0
  const subscriptions: (() => void)[] = []
  return {
    start: () => void (subscriptions.length === 0 && subscriptions.push(listener.subscribe(() => void heard++))),
    stop: () => listener.close(),
    async works() {
      const before = heard
      const notifier = createNotifier(db.pool)
      return soon(async () => {
        notifier.wake('pending', 'q')
        await notifier.flush()
        await sleep(20)
        return heard > before
      }, 400)
    },
  }
})

describeLifecycle('the reporter', async () => {
  const session = await insertSession(db.pool)
  const verdicts: string[] = []
  let stopped = false
  const reporter = createReporter({
    db: db.pool,
    keeping: keepingOf(DEFAULTS),
    log: loopContext(db.pool).log,
    onVerdict: ({ lease }, { accepted }) => void verdicts.push(`${lease.id} ${accepted}`),
  })
  return {
    start() {},
    async stop() {
      stopped = true
      await reporter.flush(AbortSignal.abort())
    },
    async works() {
      const id = await insertJob(db.pool, { id: uuidv7(), state: 'running', session })
      const lease = {
        id,
        token: 1,
        session: { id: session, worker: { id: session } } as Session,
        keyed: false,
      } as Lease
      reporter.push({ lease, outcome: { state: 'completed', resultJson: '1' }, ranMs: 1 })
      const told = await soon(() => verdicts.includes(`${id} true`), stopped ? 200 : 3_000)
      return told && verdicts.filter((verdict) => verdict.startsWith(id)).length === 1
    },
  }
})
