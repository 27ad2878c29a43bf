import { hostname } from 'node:os'
import { describe, expect, test } from 'vitest'
import { type FormerSession, formerSessions, registerSession } from '../../src/store/sessions.ts'
import { allowed, brakeAfter, isAliveHere, startPauseMs } from '../../src/worker/crash-brake.ts'
import { uuidv7 } from 'uuidv7'
import { testDatabase } from '../support/database.ts'
import { insertJob, jobOf } from '../support/factory.ts'
import { gate, handler, handlers, jobIn, testWorker, until } from '../support/worker.ts'

const db = testDatabase()
let moment = 0
/** Newest first: each died before the one told before it began. */
const session = (fields: Partial<FormerSession> = {}): FormerSession => {
  moment -= 1_000
  return { id: '1', pid: 1, livedMs: 200, startedAtMs: moment, lastSeenAtMs: moment + 200, ...fields }
}
const dead = (fields: Partial<FormerSession> = {}) => session({ endReason: 'lease expired', ...fields })
const deaths = (n: number) => Array.from({ length: n }, () => dead())
const gone = () => false

describe('the pause before the first lease', () => {
  test('comes with the third death in a row, and doubles up to a minute', () => {
    const pauses = [0, 1, 2, 3, 4, 5, 8, 9, 10, 20].map((n) => startPauseMs(deaths(n), gone))
    expect(pauses).toEqual([0, 0, 0, 1_000, 2_000, 4_000, 32_000, 60_000, 60_000, 60_000])
  })

  test('counts a death that nobody has noticed yet, and passes over a live worker of the same name', () => {
    const unnoticed = [session(), session(), session()]
    expect(startPauseMs(unnoticed, gone)).toBe(1_000)
    expect(startPauseMs(unnoticed, () => true)).toBe(0)
    expect(startPauseMs([session({ pid: 8 }), ...deaths(3)], ({ pid }) => pid === 8)).toBe(1_000)
  })

  test('is forgotten once a worker has stopped by itself or lived long enough', () => {
    expect(startPauseMs([dead({ endReason: 'stopped' }), ...deaths(3)], gone)).toBe(0)
    expect(startPauseMs([dead({ livedMs: 30_000 }), ...deaths(3)], gone)).toBe(0)
  })

  test('counts workers that lived side by side and died together once', () => {
    const together = Array.from({ length: 10 }, () => dead({ startedAtMs: 0, lastSeenAtMs: 5_000 }))
    expect(startPauseMs(together, gone)).toBe(0)
  })

  test('is followed by one job, until the worker has lived long enough', () => {
    const brake = brakeAfter(2_000, 0)
    expect([1_999, 2_000, 31_999].map((now) => allowed(brake, now))).toEqual([0, 1, 1])
    brake.leased = true
    expect([2_000, 31_999, 32_000].map((now) => allowed(brake, now))).toEqual([0, 0, Infinity])
  })
})

const base = { host: 'h', version: 'v', queues: ['mails'], types: ['a', 'b'], concurrency: 1 }
const register = (session: {
  name: string
  pid: number
  formerId?: string
  pauseMs?: number
  host?: string
  types?: string[]
}) => {
  const id = uuidv7()
  return registerSession(db.pool, { ...base, id, ...session }, 15_000).then(() => id)
}
const former = (asked: { name: string; pid: number }) => formerSessions(db.pool, { ...base, ...asked }, { limit: 20 })

describe('what is known of a worker’s earlier processes', () => {
  test('goes by name and host; without a name by what it serves', async () => {
    await register({ name: 'named', pid: 1 })
    await register({ name: 'named', pid: 2, host: 'other' })
    await register({ name: 'h-3', pid: 3 })
    await register({ name: 'h-4', pid: 4, types: ['c'] })
    expect((await former({ name: 'named', pid: 9 })).map(({ pid }) => pid)).toEqual([1])
    expect((await former({ name: 'h-9', pid: 9 })).map(({ pid }) => pid)).toEqual([3])
  })

  test('leaves out sessions whose process went on with another one, and the pause that one made', async () => {
    const first = await register({ name: 'again', pid: 1 })
    const second = await register({ name: 'again', pid: 1, formerId: first, pauseMs: 1_000 })
    await db.sql(`update forgeq.sessions set last_heartbeat_at = started_at + interval '5 s' where id = $1`, second)
    expect(await former({ name: 'again', pid: 9 })).toMatchObject([{ id: second, pid: 1, livedMs: 4_000 }])
  })
})

test('the sessions of this process are alive, and those of a process with its number before are not', () => {
  const pid = process.pid
  expect(isAliveHere(session({ id: 'a', pid }), new Set(['a']))).toBe(true)
  expect(isAliveHere(session({ id: 'b', pid }), new Set(['a']))).toBe(false)
  expect(isAliveHere(session({ pid: process.ppid }), new Set())).toBe(true)
  expect(isAliveHere(dead({ pid: process.ppid }), new Set())).toBe(false)
})

test('a worker that has died three times waits, runs one job, and leaves the next to others', async () => {
  const types = ['braked']
  for (let n = 0; n < 3; n++) {
    const id = uuidv7()
    await registerSession(
      db.pool,
      { ...base, id, name: 'braked', host: hostname(), pid: process.pid, queues: [], types },
      15_000,
    )
    await db.sql(
      `update forgeq.sessions set ended_at = clock_timestamp(), end_reason = 'lease expired' where id = $1`,
      id,
    )
  }
  const done = gate()
  const first = await insertJob(db.pool, { type: 'braked' })
  const second = await insertJob(db.pool, { type: 'braked' })
  const startedAt = performance.now()
  const worker = await testWorker({
    db: db.pool,
    connection: db.connection,
    name: 'braked',
    handlers: handlers(handler('braked', () => done.open(undefined))),
  })
  await done.promise
  expect(performance.now() - startedAt).toBeGreaterThan(900)
  await jobIn(db.pool, first, 'completed')
  await until('it has looked again', () => worker.log.some(({ pause_ms }) => pause_ms === 1_000))
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(await jobOf(db.pool, second)).toMatchObject({ state: 'pending', attempt: 0 })
})
