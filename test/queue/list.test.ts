import { beforeAll, describe, expect, test } from 'vitest'
import { uuidv7 } from 'uuidv7'
import { DEFAULTS } from '../../src/config.ts'
import type { Job } from '../../src/job/job.ts'
import { createJobQueue } from '../../src/queue/create.ts'
import type { JobFilter, JobPage } from '../../src/queue/job-queue.ts'
import { listJobs } from '../../src/queue/list.ts'
import type { DatabasePool } from '../../src/store/database.ts'
import { testDatabase } from '../support/database.ts'
import { finishJob, insertJob, insertSession, newJob } from '../support/factory.ts'
import { watched } from '../support/watched.ts'

const paging = testDatabase()
const filtering = testDatabase()
const searching = testDatabase()
const enqueueMany = (pool: DatabasePool, n: number, fields = {}) =>
  createJobQueue(pool, DEFAULTS).enqueueMany(Array.from({ length: n }, () => newJob(fields)))

/** Every page until there is none; `between` happens before each further one. */
async function pages(
  pool: DatabasePool,
  filter: JobFilter,
  between: (page: JobPage, n: number) => Promise<unknown> = () => Promise.resolve(),
): Promise<JobPage[]> {
  const all: JobPage[] = []
  let cursor: string | undefined
  do {
    const page = await listJobs(pool, { ...filter, ...(cursor !== undefined && { cursor }) })
    all.push(page)
    cursor = page.nextCursor
    if (cursor !== undefined) await between(page, all.length)
  } while (cursor !== undefined)
  return all
}

const itemsOf = (all: JobPage[]): Job[] => all.flatMap(({ items }) => items)

describe('pages', () => {
  test('show every job of one bulk once, newest first, while jobs come and go', async () => {
    const made = (await enqueueMany(paging.pool, 250)).map(({ job }) => job!.id)
    let deleted = ''
    const all = await pages(paging.pool, { limit: 7 }, async ({ items }, n) => {
      await enqueueMany(paging.pool, 3)
      if (n !== 3) return
      deleted = items.at(-1)!.id
      await createJobQueue(paging.pool, DEFAULTS).jobs.delete(deleted)
    })
    const seen = itemsOf(all).map(({ id }) => id)
    expect(new Set(seen).size).toBe(seen.length)
    expect(seen).toEqual(seen.toSorted().toReversed())
    expect(made.filter((id) => !seen.includes(id))).toEqual([])
    expect(seen).toContain(deleted) // it was there when page 3 was read
  })

  test('show a job once that goes into history, or comes back from it, between two pages', async () => {
    const made = (await enqueueMany(paging.pool, 30, { type: 'moves' })).map(({ job }) => job!.id)
    const queue = createJobQueue(paging.pool, DEFAULTS)
    await queue.jobs.cancel(made[3]!)
    const all = await pages(paging.pool, { limit: 5, type: 'moves' }, async (_page, n) => {
      if (n === 1) await queue.jobs.cancel(made[10]!)
      if (n === 2) await queue.jobs.retry(made[3]!)
    })
    expect(itemsOf(all).map(({ id }) => id)).toEqual(made.toReversed())
  })

  test('end without a cursor, also when there is nothing', async () => {
    expect(await listJobs(paging.pool, { limit: 5, queue: 'nothing-here' })).toEqual({ items: [] })
    expect((await pages(paging.pool, { limit: 1000, type: 'moves' })).at(-1)!.nextCursor).toBeUndefined()
  })

  test.each([
    ['nonsense', 'nonsense'],
    ['an id of another version', Buffer.from('6ba7b810-9dad-41d1-80b4-00c04fd430c8').toString('base64url')],
    ['something after the cursor', `${Buffer.from(uuidv7()).toString('base64url')}AA`],
    ['upper case', Buffer.from(uuidv7().toUpperCase()).toString('base64url')],
    ['padding', `${Buffer.from(uuidv7()).toString('base64url')}=`],
  ])('are not given for a cursor that is none of ours: %s', async (_what, cursor) => {
    await expect(listJobs(paging.pool, { limit: 5, cursor })).rejects.toMatchObject({
      code: 'invalid_request',
      errors: [{ path: 'cursor' }],
    })
  })

  test.each([0, -1, 1001, 1.5, Number.NaN])('are not given with a limit of %s', async (limit) => {
    await expect(listJobs(paging.pool, { limit })).rejects.toMatchObject({
      code: 'invalid_request',
      errors: [{ path: 'limit' }],
    })
  })
})

describe('a filter', () => {
  const ids: Record<string, string> = {}
  const at = { before: '', after: '' }
  let session = ''
  beforeAll(async () => {
    const { pool } = filtering
    const queue = createJobQueue(pool, DEFAULTS)
    const enqueue = async (name: string, fields: Parameters<typeof newJob>[0]) => {
      ids[name] = (await queue.enqueue(newJob(fields))).job!.id
    }
    await enqueue('plain', { type: 'plain' })
    await enqueue('other queue', { type: 'plain', queue: 'mails' })
    await enqueue('scheduled', { type: 'later', delayMs: 3_600_000 })
    at.before = (
      await filtering.sql<{ now: string }>(
        `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
      )
    )[0]!.now
    await enqueue('tagged', { type: 'Tag_ged%', tags: ['red', 'Blue_%'] })
    await enqueue('keyed', { type: 'keyed', idempotencyKey: 'the key' })
    await enqueue('payload', {
      type: 'paid',
      payloadJson: '{"a":{"b":"x","n":12345678901234567890,"list":["p","q"]},"none":null}',
    })
    at.after = (
      await filtering.sql<{ now: string }>(
        `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as now`,
      )
    )[0]!.now
    session = await insertSession(pool, { name: 'worker one' })
    ids['running'] = await insertJob(pool, { type: 'runs', state: 'running', session })
    ids['dead'] = await insertJob(pool, { type: 'dies' })
    await finishJob(pool, ids['dead'], {
      state: 'dead',
      error: { name: 'E', message: 'Disk is 100% FULL', fingerprint: 'feedbeef' },
    })
  })
  const found = async (filter: Partial<JobFilter>) => {
    const { items } = await listJobs(filtering.pool, { limit: 100, ...filter })
    const names = Object.fromEntries(Object.entries(ids).map(([name, id]) => [id, name]))
    return items.map(({ id }) => names[id]!).sort()
  }

  test.each<[string, Partial<JobFilter>, string[]]>([
    ['state', { states: ['scheduled'] }, ['scheduled']],
    ['several states', { states: ['running', 'dead'] }, ['dead', 'running']],
    ['queue', { queue: 'mails' }, ['other queue']],
    ['type', { type: 'plain' }, ['other queue', 'plain']],
    ['tag, whole', { tag: 'red' }, ['tagged']],
    ['part of a tag, which is none', { tag: 'Blue' }, []],
    ['key', { key: 'the key' }, ['keyed']],
    ['payload', { payload: [{ path: ['a', 'b'], value: 'x' }] }, ['payload']],
    [
      'payload, a number with all its digits',
      { payload: [{ path: ['a', 'n'], value: '12345678901234567890' }] },
      ['payload'],
    ],
    ['payload, an element', { payload: [{ path: ['a', 'list', '1'], value: 'q' }] }, ['payload']],
    ['payload, a value that differs', { payload: [{ path: ['a', 'b'], value: 'X' }] }, []],
    [
      'payload, two places of which one differs',
      {
        payload: [
          { path: ['a', 'b'], value: 'x' },
          { path: ['a', 'n'], value: '1' },
        ],
      },
      [],
    ],
    ['payload, a null, which is no text', { payload: [{ path: ['none'], value: 'null' }] }, []],
    ['error by fingerprint', { error: 'feedbeef' }, ['dead']],
    ['error by a part of its message, whatever the case', { error: 'disk is 100% full' }, ['dead']],
    ['worker by name, running', { worker: 'worker one' }, ['running']],
    ['worker by name, ended', { worker: 'w' }, ['dead']],
    ['text in the type', { q: 'tag_ged%' }, ['tagged']],
    ['text in a tag', { q: 'blue_%' }, ['tagged']],
    ['text in the error', { q: 'full' }, ['dead']],
    ['text that would be a pattern', { q: '%' }, ['dead', 'tagged']],
    ['text that is nowhere', { q: '_x' }, []],
    ['two at once', { type: 'plain', queue: 'default' }, ['plain']],
  ])('by %s', async (_what, filter, expected) => {
    expect(await found(filter)).toEqual(expected)
  })

  test('by id, by a part of it in capitals, and by the id of a worker', async () => {
    expect(await found({ q: ids['plain']! })).toEqual(['plain'])
    expect(await found({ q: ids['keyed']!.slice(-12).toUpperCase() })).toEqual(['keyed'])
    expect(await found({ worker: session })).toEqual(['running'])
  })

  test('by when it was made and when it ended, to the microsecond', async () => {
    expect(await found({ createdAfter: at.before, createdBefore: at.after })).toEqual(['keyed', 'payload', 'tagged'])
    const [created] = await listJobs(filtering.pool, { limit: 1, key: 'the key' }).then(({ items }) => items)
    expect(await found({ createdAfter: created!.createdAt, key: 'the key' })).toEqual([])
    expect(await found({ finishedAfter: at.after })).toEqual(['dead'])
    expect(await found({ finishedAfter: '2100-01-01T00:00:00.000000Z' })).toEqual([])
  })

  test('shows payloads and errors, but no runs', async () => {
    const { items } = await listJobs(filtering.pool, { limit: 1, type: 'dies' })
    expect(items[0]).toMatchObject({
      payloadJson: '{}',
      error: { message: 'Disk is 100% FULL' },
      worker: { name: 'w' },
    })
    expect(items[0]!.attempts).toBeUndefined()
  })
})

describe('a search for something rare', () => {
  test('answers when its time is over, with what it has, and goes on without missing or repeating anything', async () => {
    const { pool } = searching
    const rare = new Set<string>()
    for (let n = 0; n < 6; n++) {
      const many = Array.from({ length: 999 }, () => newJob({ type: 'common' }))
      const at = 150 * n
      const made = await createJobQueue(pool, DEFAULTS).enqueueMany([
        ...many.slice(0, at),
        newJob({ type: 'rare' }),
        ...many.slice(at),
      ])
      rare.add(made[at]!.job!.id)
    }
    // Half a second for each look: the time is over after the first of every page.
    const slow = watched(pool, ({ name }) => {
      if (name !== 'forgeq:search_jobs') return undefined
      return new Promise((resolve) => setTimeout(resolve, 450))
    })
    const all = await pages(slow, { limit: 100, type: 'rare' }, () =>
      enqueueMany(pool, 5, { type: 'rare', queue: 'late' }),
    )
    expect(all.length).toBeGreaterThanOrEqual(6)
    const seen = itemsOf(all).map(({ id }) => id)
    expect(seen).toEqual([...rare].toReversed())
    const interrupted = all.slice(0, -1)
    expect(interrupted.every(({ searchedUntil }) => searchedUntil?.endsWith('Z'))).toBe(true)
    const untils = interrupted.map(({ searchedUntil }) => searchedUntil!)
    expect(untils).toEqual(untils.toSorted().toReversed())
    expect(all.at(-1)).not.toHaveProperty('searchedUntil')
  })

  test('reads further and further at once while it has time, and answers within it', async () => {
    const looks: unknown[] = []
    const counting = watched(
      searching.pool,
      ({ name, values }) => void (name === 'forgeq:search_jobs' && looks.push(values)),
    )
    expect(await listJobs(counting, { limit: 100, q: 'nowhere at all' })).toEqual({ items: [] })
    expect(looks.length).toBeLessThanOrEqual(4)
  })
})
