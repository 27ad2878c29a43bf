import { afterEach, describe, expect, test } from 'vitest'
import type { Database } from '../../src/store/database.ts'
import { createLookout, type Lookout } from '../../src/store/lookout.ts'
import { lookAround, type Sight } from '../../src/store/look.ts'
import { notePass } from '../../src/store/passes.ts'
import { pauseQueue } from '../../src/store/queues.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, insertSession } from '../support/factory.ts'
import { gate, until } from '../support/worker.ts'

const db = testDatabase()
const ends: (() => void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0)) end()
  await db.sql('truncate forgeq.jobs, forgeq.sessions, forgeq.queues, forgeq.loops, forgeq.count_deltas')
})

/** Counts the looks; `before` each it does what it is told. */
function counting(before: () => Promise<void> | void = () => {}) {
  const made = { looks: 0 }
  const database: Database = {
    async query(statement) {
      made.looks++
      await before()
      return db.pool.query(statement)
    },
  }
  return { made, lookout: createLookout(database) }
}

function watched(lookout: Lookout): (Sight | undefined)[] {
  const told: (Sight | undefined)[] = []
  ends.push(lookout.watch((sight) => void told.push(sight)))
  return told
}

const look = () => lookAround(db.pool, { guess: false })

describe('a look around', () => {
  test('sees nothing in an empty store', async () => {
    expect(await look()).toMatchObject({
      pending: false,
      leased: false,
      counted: false,
      dueMs: undefined,
      expiryMs: undefined,
      passes: new Map(),
    })
  })

  test('sees what is pending, leased and counted, when the next session expires, and who has passed', async () => {
    await insertJob(db.pool)
    expect(await look()).toMatchObject({ pending: true, leased: false })
    await insertJob(db.pool, { state: 'running', session: await insertSession(db.pool, { expiresInMs: 5_000 }) })
    await db.sql(`insert into forgeq.count_deltas (queue, type, event, n) values ('q', 't', 'enqueued', 1)`)
    const at = await notePass(db.pool, 'scheduler')
    const { leased, counted, expiryMs, passes } = await look()
    expect([leased, counted]).toEqual([true, true])
    expect(expiryMs).toBeGreaterThan(4_000)
    expect(expiryMs).toBeLessThanOrEqual(5_000)
    expect(passes.get('scheduler')).toMatchObject({ at })
  })

  test.each<[string, () => Promise<unknown>]>([
    ['a job is due', () => insertJob(db.pool, { state: 'scheduled', dueInMs: 5_000 })],
    ['a retry is due', () => insertJob(db.pool, { state: 'retrying', attempt: 1, dueInMs: 5_000 })],
    ['a job expires', () => insertJob(db.pool, { expiresInMs: 5_000 })],
    ['a pause ends', () => pauseQueue(db.pool, 'q', { until: new Date(Date.now() + 5_000).toISOString() })],
  ])('sees when %s', async (_what, make) => {
    await make()
    const { dueMs } = await look()
    expect(dueMs).toBeGreaterThan(4_000)
    expect(dueMs).toBeLessThanOrEqual(5_000)
  })

  test('takes for granted what it does not look for', async () => {
    const { pending, leased, counted } = await lookAround(db.pool, { guess: true })
    expect([pending, leased, counted]).toEqual([true, true, true])
  })
})

describe('the lookout', () => {
  test('looks once for all who ask within a second, and times go on from that', async () => {
    await insertJob(db.pool, { state: 'scheduled', dueInMs: 60_000 })
    const { made, lookout } = counting()
    const sights = await Promise.all([lookout.look(), lookout.look(), lookout.look()])
    const later = await lookout.look()
    expect(made.looks).toBe(1)
    expect(later.dueMs).toBeLessThan(sights[0].dueMs!)
    expect(later.goodForMs).toBeLessThanOrEqual(950)
    const began = performance.now()
    await until('it is too old', async () => (await lookout.look()) && made.looks === 2, { withinMs: 2_000 })
    expect(performance.now() - began).toBeGreaterThan(800)
  })

  test('a look that is not answered is given up after two seconds, and the next one is made all the same', async () => {
    const never = gate()
    let hang = true
    const { made, lookout } = counting(() => (hang ? never.promise : undefined))
    const before = performance.now()
    await expect(lookout.look()).rejects.toMatchObject({ code: 'unavailable' })
    expect(performance.now() - before).toBeLessThan(3_000)
    hang = false
    expect(await lookout.look()).toMatchObject({ pending: false })
    expect(made.looks).toBe(2)
    never.open()
  })

  test('a fresh look begins after it was asked for, although one is under way', async () => {
    const first = gate()
    const { made, lookout } = counting(() => (made.looks === 1 ? first.promise : undefined))
    const under = lookout.look()
    const fresh = lookout.look({ fresh: true })
    first.open()
    await Promise.all([under, fresh])
    expect(made.looks).toBe(2)
  })

  test('tells who watches once a second, until nobody does', async () => {
    const { made, lookout } = counting()
    const told = watched(lookout)
    const began = performance.now()
    await until('it has looked twice', () => told.length === 2, { withinMs: 4_000 })
    expect(performance.now() - began).toBeGreaterThan(1_750)
    ends.splice(0).forEach((end) => end())
    const { looks } = made
    await new Promise((resolve) => setTimeout(resolve, 1_200))
    expect(made.looks).toBe(looks)
  })

  test('says that there may be anything when the store fails, and while it does not answer', async () => {
    const answer = gate()
    const { made, lookout } = counting(() => {
      if (made.looks === 1) throw new Error('the database is away')
      return answer.promise
    })
    const told = watched(lookout)
    await expect(lookout.look()).rejects.toThrow('away')
    expect(told).toEqual([undefined])
    const slow = lookout.look()
    await until('it is told again', () => told.length === 2, { withinMs: 3_000 })
    expect(told).toEqual([undefined, undefined])
    answer.open()
    expect(await slow).toMatchObject({ pending: false })
  })

  test('spares itself what takes long, for so long that it is a small part of the time', async () => {
    let slowMs = 40
    const guesses: unknown[] = []
    const lookout = createLookout({
      async query<Row>(statement: Parameters<Database['query']>[0]) {
        guesses.push(statement.values[0])
        const [row] = await db.pool.query<Record<string, unknown>>(statement)
        return [{ ...row, took_ms: slowMs } as Row]
      },
    })
    await lookout.look({ fresh: true })
    await lookout.look({ fresh: true })
    expect(guesses).toEqual([false, true])
    slowMs = 0.1
    await until('it looks whole again', async () => (await lookout.look({ fresh: true }), guesses.at(-1) === false), {
      withinMs: 4_000,
    })
    await lookout.look({ fresh: true })
    await new Promise((resolve) => setTimeout(resolve, 10))
    await lookout.look({ fresh: true })
    expect(guesses.at(-1)).toBe(false)
  })
})
