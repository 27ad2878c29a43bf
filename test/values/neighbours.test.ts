import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { client, leaveNothing, type Service, startService } from '../cases/service.ts'
import { testDatabase } from '../support/database.ts'
import { handler, handlers, type TestWorker, testWorker, until } from '../support/worker.ts'
import { BATCH, storedJobs } from './batch.ts'
import { JS_VALUES } from './js-values.ts'
import { JSON_TEXTS } from './json-texts.ts'
import { bytesOf, joined, post } from './sent.ts'

const db = testDatabase()

/** What is held up is held up for ever: a slow machine must not be taken for that. */
const PATIENT = { withinMs: 40_000 }
vi.setConfig({ testTimeout: 90_000 })
let service: Service

/** What the handlers below make their hostile value of. */
let hostile: () => unknown = () => undefined
let worker: TestWorker

beforeAll(async () => {
  service = await startService(db, { loops: false })
  worker = await testWorker({
    db: db.pool,
    connection: db.connection,
    concurrency: BATCH,
    kept: true,
    handlers: handlers(
      handler('good', ({ n }) => ({ n })),
      handler('returns', () => hostile()),
      handler('throws', () => {
        throw hostile()
      }),
      handler('reports', async (_, job) => {
        await job.progress(0.5, hostile() as string)
        return 'reported'
      }),
    ),
  })
})
afterAll(async () => {
  await worker.stop({ graceMs: 0 })
  await leaveNothing()
})

/** 499 good jobs and one of this type in their midst, put on the queue by one statement: one claim takes them all. */
async function enqueueAmongGood(type: string): Promise<{ good: string[]; one: string }> {
  const rows = await db.sql<{ id: string; type: string }>(
    `insert into forgeq.jobs (id, queue, type, state, run_at, created_at, payload, max_attempts)
     select gen_random_uuid(), 'default', case when n = $2 then $1 else 'good' end, 'pending', clock_timestamp(), clock_timestamp(),
            jsonb_build_object('n', n), 1
       from generate_series(1, $3::int) as n
     returning id, type`,
    type,
    Math.ceil(BATCH / 3),
    BATCH,
  )
  await db.sql(`select pg_notify('forgeq_pending', 'default')`)
  return {
    good: rows.filter((row) => row.type === 'good').map(({ id }) => id),
    one: rows.find((row) => row.type === type)!.id,
  }
}

const unended = async (ids: readonly string[]) =>
  (await db.sql<{ n: number }>('select count(*)::int as n from forgeq.jobs where id = any ($1::uuid[])', ids))[0]!.n

async function expectAllEnded({ good, one }: { good: string[]; one: string }, state: string) {
  await until('all have ended', async () => (await unended([...good, one])) === 0, PATIENT)
  const stored = await storedJobs(db, [...good, one])
  expect(stored.get(one)!.state).toBe(state)
  const states = new Set(good.map((id) => stored.get(id)!.state))
  expect([good.length, ...states]).toEqual([BATCH - 1, 'completed'])
  return stored.get(one)!
}

describe(`beside ${BATCH - 1} good jobs of its batch`, () => {
  // What a handler's own thread has to build first says nothing about the batch.
  const values = JS_VALUES.filter(({ returned }) => !('truncated' in returned)).filter((_, index) => index % 3 === 0)

  test.each(values)('a handler that returns $name completes its job, and theirs', async ({ make }) => {
    hostile = make
    await expectAllEnded(await enqueueAmongGood('returns'), 'completed')
  })

  test.each(values)('a handler that throws $name ends its job, and no other', async ({ make }) => {
    hostile = make
    const { error } = await expectAllEnded(await enqueueAmongGood('throws'), 'dead')
    expect(typeof error!.message).toBe('string')
  })

  test.each([
    ['NUL', () => 'a\0b'],
    ['half a character', () => '\ud83e'],
    ['50 MB', () => 'x'.repeat(50_000_000)],
    ['terminal escapes', () => '\x1b[2J'],
  ])('progress of %s ends nothing', async (_, make) => {
    hostile = make
    await expectAllEnded(await enqueueAmongGood('reports'), 'completed')
  })
})

describe('a queue that was offered what would break it', () => {
  test('runs its 499 good jobs, whatever was offered between them', async () => {
    const good: string[] = []
    const refused = JSON_TEXTS.filter((text) => text.refused !== undefined)
    for (let n = 0; good.length < 499; n++) {
      const made = await post(service, '/jobs', bytesOf(`{"type":"good","queue":"offered","payload":{"n":${n}}}`))
      good.push(made.job().id)
      const text = refused[n]
      if (!text) continue
      const offered = await post(
        service,
        '/jobs',
        joined('{"type":"good","queue":"offered","payload":', bytesOf(text.json()), '}'),
      )
      expect({ name: text.name, refused: offered.status >= 400 && offered.status < 500 }).toEqual({
        name: text.name,
        refused: true,
      })
    }
    await until('all have ended', async () => (await unended(good)) === 0, PATIENT)
    const [row] = await db.sql<{ all: number; completed: number }>(
      `select count(*)::int as all, count(*) filter (where state = 'completed')::int as completed from forgeq.all_jobs where queue = 'offered'`,
    )
    expect(row).toEqual({ all: 499, completed: 499 })
  })

  test('runs what it took of great numbers and deep nesting beside them', async () => {
    const taken = JSON_TEXTS.filter((text) => text.refused === undefined)
    const ids: string[] = []
    for (const { json } of taken) {
      const body = joined('{"type":"good","queue":"taken","max_attempts":1,"payload":', bytesOf(json()), '}')
      ids.push((await post(service, '/jobs', body)).job().id)
    }
    await until('all have ended', async () => (await unended(ids)) === 0, PATIENT)
    const stored = await storedJobs(db, ids)
    // A payload of null has no members to read: that is the handler's failure, and its job's alone.
    const ended = ids.map((id, n) => [taken[n]!.name, stored.get(id)!.state])
    expect(ended.filter(([name, state]) => state !== (name === 'null' ? 'dead' : 'completed'))).toEqual([])
  })
})

describe("a worker's name", () => {
  test.each([
    ['NUL', 'a\0b'],
    ['half a character', '\ud83e'],
    ['nothing', ''],
    ['a megabyte', 'x'.repeat(1_048_576)],
    ['a number', 5],
    ['an object', {}],
    ['a line feed', 'a\nb'],
  ])('that is %s is refused before anything is started', (_, name) => {
    expect(() => client(db).worker({ jobs: [], name: name as string })).toThrow(
      expect.objectContaining({ code: 'invalid_config', message: expect.stringContaining('name') as string }),
    )
  })

  test('of strange characters is shown and found as it is', async () => {
    const name = "🦁 é \u202e 'drop' {a} %s"
    const named = client(db).worker({ jobs: [], name, loops: false })
    await named.start()
    const { items } = (await service.ask('GET', '/workers')).json() as { items: { name: string }[] }
    expect(items.map((one) => one.name)).toContain(name)
    await named.stop({ grace: '0s' })
  })
})
