import { afterAll, beforeAll, expect, test } from 'vitest'
import type { JobView } from '../../src/wire/jobs.ts'
import { testDatabase } from '../support/database.ts'
import { leaveNothing, type Service, startService } from './service.ts'

const db = testDatabase()
let service: Service

beforeAll(async () => {
  service = await startService(db)
})
afterAll(leaveNothing)

interface Page {
  items: JobView[]
  next_cursor: string | null
}

test.each(['', '&queue=default', '&state=pending&tag=first', '&q=unserved'])(
  'O28 pages of jobs of one instant, narrowed by "%s", show each once while others come and one goes',
  async (filter) => {
    await db.sql('truncate forgeq.jobs')
    const jobs = Array.from({ length: 250 }, (_, n) => ({ type: 'unserved', tags: ['first'], payload: { n } }))
    const bulk = await service.ask('POST', '/jobs/bulk', { jobs })
    const made = new Set(bulk.bulk().map(({ id }) => id))
    expect(new Set(await db.sql<{ at: Date }>('select distinct created_at as at from forgeq.jobs')).size).toBe(1)

    const seen: JobView[] = []
    let cursor: string | null | undefined
    for (let page = 1; cursor !== null; page++) {
      const at = cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const answer = await service.ask('GET', `/jobs?limit=7${filter}${at}`)
      expect(answer.status, answer.text).toBe(200)
      const { items, next_cursor } = answer.json() as Page
      expect(items.length).toBeLessThanOrEqual(7)
      seen.push(...items)
      cursor = next_cursor
      // One comes before each page; the first half also while the page is read.
      const coming = service.ask('POST', '/jobs', { type: 'unserved', tags: ['first', 'late'] })
      if (page > 15) await coming
      if (page === 3) expect((await service.ask('DELETE', `/jobs/${items.at(-1)!.id}`)).status).toBe(204)
    }

    const ids = seen.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    // The deleted one was seen before it went.
    expect(ids.filter((id) => made.has(id))).toHaveLength(250)
    expect(ids).toEqual(ids.toSorted().toReversed())
    const created = seen.map(({ created_at }) => created_at)
    expect(created).toEqual(created.toSorted().toReversed())
  },
)

test.each([
  'x',
  'MDAwMA',
  Buffer.from('x'.repeat(36)).toString('base64url'),
  '%00',
  "'%20or%201=1",
  'a'.repeat(2_000),
  '',
])('a cursor that no page gave is a 400: %j', async (cursor) => {
  const answer = await service.ask('GET', `/jobs?cursor=${cursor}`)
  expect(answer.status, answer.text).toBe(400)
  expect(answer.problem().errors).toMatchObject([{ path: 'cursor' }])
})
