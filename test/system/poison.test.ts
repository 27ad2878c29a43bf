import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { ForgeQ } from '../../src/index.ts'
import { testDatabase } from '../support/database.ts'
import { answerJson, forgeq, leaveNothing, linesOf, project, type Running, start, until } from './processes.ts'
import { join } from 'node:path'

const db = testDatabase()
let supervising = false
afterEach(async () => {
  supervising = false
  await leaveNothing()
})

interface Shown {
  state: string
  reason?: string
  lost: number
  attempt: number
  attempts: { outcome: string; error?: { message: string; code?: string } }[]
}
const show = (folder: string, id: string) =>
  answerJson<Shown>(folder, ['jobs', 'show', id], { env: { DATABASE_URL: db.url } })

const SHORT = ['--lease', '2s', '--heartbeat', '500ms', '--recovery-interval', '500ms', '--stall-limit', '3s']
const FAST = { backoff: { kind: 'fixed', base: '200ms' } } as const

/** Bystanders take a while, so that they are under way when their worker goes down. */
const BYSTANDER = `export default () => new Promise((resolve) => setTimeout(() => resolve(1), 2500))`

/** Starts a worker again as often as it ends, as a supervisor does. */
async function superviseWorker(startOne: () => Running): Promise<{ starts(): number }> {
  let starts = 0
  supervising = true
  const keep = async () => {
    while (supervising) {
      starts++
      await startOne().ended.catch(() => {})
    }
  }
  void keep()
  return { starts: () => starts }
}

/** The killer and five others in one queue, by a worker that is started again and again; until all have ended. */
async function amongOthers(type: string, handler: string, startOne: (folder: string) => Running) {
  const other = `${type}_other`
  const folder = project({ [`handlers/${type}.ts`]: handler, [`handlers/${other}.ts`]: BYSTANDER })
  const forgeqClient = new ForgeQ({ databaseUrl: db.url })
  const killer = await forgeqClient.enqueue(type, {}, FAST)
  const others = await Promise.all(Array.from({ length: 5 }, () => forgeqClient.enqueue(other, {}, FAST)))
  await superviseWorker(() => startOne(folder))
  await forgeqClient.result(killer.id, { timeout: '60s' }).catch(() => {})
  for (const { id } of others) await forgeqClient.result(id, { timeout: '60s' }).catch(() => {})
  await forgeqClient.close()
  const job = await show(folder, killer.id)
  const bystanders = await Promise.all(others.map(({ id }) => show(folder, id)))
  return { job, bystanders, folder }
}

const worker = (folder: string) => forgeq(folder, ['worker', ...SHORT], { env: { DATABASE_URL: db.url } })

test.each([
  ['exits', `export default async () => { await new Promise((r) => setTimeout(r, 300)); process.exit(1) }`, 'exit_1'],
  ['aborts', `export default async () => { await new Promise((r) => setTimeout(r, 300)); process.abort() }`, 'SIGABRT'],
  ['loops', `export default () => { for (;;); }`, 'stalled'],
])(
  'a job whose handler %s its worker to death is dead after three losses, and those beside it pay once at most',
  async (type, handler, code) => {
    const { job, bystanders } = await amongOthers(type, handler, worker)
    expect(job).toMatchObject({ state: 'dead', reason: 'lost', lost: 3, attempt: 3 })
    // The first took the worker along, the others their own process; one that ran another job before is not counted.
    const counted = job.attempts.filter(({ outcome }) => outcome !== 'released')
    expect(counted.map(({ error }) => error?.code)).toEqual(['lease_expired', code, code])
    for (const one of bystanders) {
      expect(one.state).toBe('completed')
      expect(one.lost).toBeLessThanOrEqual(1)
    }
  },
  90_000,
)

test('a handler in code that exits is dead after three losses, and those beside it pay once at most', async () => {
  const index = JSON.stringify(new URL('../../dist/index.js', import.meta.url).href)
  const script = `import { ForgeQ, defineJob } from ${index}
const forgeq = new ForgeQ({ databaseUrl: process.env.DATABASE_URL })
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const jobs = [
  defineJob({ type: 'code', run: async () => { await wait(300); process.exit(1) } }),
  defineJob({ type: 'code_other', run: () => wait(1500) }),
]
await forgeq.worker({ jobs, concurrency: 10, lease: '2s', heartbeat: '500ms', recoveryInterval: '500ms' }).start()
`
  const { job, bystanders } = await amongOthers('code', 'export default 1', (folder) => {
    writeFileSync(join(folder, 'worker.mjs'), script)
    return start(folder, process.execPath, ['worker.mjs'], { env: { DATABASE_URL: db.url } })
  })
  expect(job).toMatchObject({ state: 'dead', reason: 'lost', lost: 3, attempt: 3 })
  for (const one of bystanders) {
    expect(one.state).toBe('completed')
    expect(one.lost).toBeLessThanOrEqual(1)
  }
}, 120_000)

const CGROUPS = '/sys/fs/cgroup/memory'
function memoryGroup(bytes: number): string | undefined {
  try {
    const own = readFileSync('/proc/self/cgroup', 'utf8').match(/:memory:(.*)/)?.[1] ?? ''
    for (const parent of [join(CGROUPS, own), CGROUPS]) {
      const group = join(parent, `forgeq-test-${process.pid}`)
      try {
        mkdirSync(group)
      } catch {
        continue
      }
      writeFileSync(join(group, 'memory.limit_in_bytes'), String(bytes))
      return group
    }
  } catch {
    // there are none here
  }
  return undefined
}
const group = memoryGroup(600 * 1024 * 1024)
if (!group) console.warn('SKIPPED: no memory cgroup can be made here, a job that runs out of memory is not tested')

test.skipIf(!group)(
  'a job that takes all memory is dead after three losses, and those beside it pay once at most',
  async () => {
    const eats = `export default async () => { const all = []; for (;;) { all.push(Buffer.alloc(20_000_000, 1)); await new Promise((r) => setTimeout(r, 5)) } }`
    const { job, bystanders } = await amongOthers('eats', eats, (folder) =>
      start(
        folder,
        '/bin/sh',
        [
          '-c',
          `echo $$ > ${group}/cgroup.procs; exec ${process.execPath} ${join(import.meta.dirname, '../../dist/cli/main.js')} worker ${SHORT.join(' ')}`,
        ],
        {
          env: { DATABASE_URL: db.url },
        },
      ),
    )
    expect(job).toMatchObject({ state: 'dead', reason: 'lost' })
    for (const one of bystanders) {
      expect(one.state).toBe('completed')
      expect(one.lost).toBeLessThanOrEqual(1)
    }
    supervising = false
    await leaveNothing()
    await until(() => {
      try {
        rmdirSync(group!)
        return true
      } catch {
        return false
      }
    })
  },
  120_000,
)

/** The full length is ten: CRASH_LOOP_MINUTES=10 npx vitest run test/system/poison.test.ts -t 'dies at each start' */
const MINUTES = Number(process.env['CRASH_LOOP_MINUTES'] ?? 0)

test(
  'a worker that dies at each start harms few jobs, because it waits longer and longer and leases one',
  async () => {
    const folder = project({
      'handlers/dying.ts': `import { appendFileSync } from 'node:fs'
if (!process.send) setTimeout(() => process.exit(1), 1200)
export default async (_, { id }) => {
  appendFileSync('runs.jsonl', JSON.stringify({ id }) + '\\n')
  await new Promise((resolve) => setTimeout(resolve, 10_000))
}`,
    })
    const client = new ForgeQ({ databaseUrl: db.url })
    const jobs = await client.enqueueMany(Array.from({ length: 200 }, () => ['dying', {}, FAST] as const))
    const { starts } = await superviseWorker(() => worker(folder))
    const overAt = Date.now() + MINUTES * 60_000
    await until(() => starts() >= 9 && Date.now() >= overAt, 60_000 + MINUTES * 60_000)
    supervising = false
    const runs = linesOf<{ id: string }>(join(folder, 'runs.jsonl')).length
    // Ten each at the first three starts, then one each.
    expect(runs).toBeLessThanOrEqual(30 + starts() - 3)
    if (MINUTES > 0) console.log(`${starts()} starts in ${MINUTES} minutes, ${runs} runs`)
    expect(
      await db.sql(`select count(*)::int as dead from forgeq.finished_jobs where state = 'dead' and type = 'dying'`),
    ).toEqual([{ dead: 0 }])
    expect(jobs).toHaveLength(200)
    await client.close()
  },
  90_000 + MINUTES * 60_000,
)
