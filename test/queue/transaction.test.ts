import { uuidv7 } from 'uuidv7'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { ForgeQ } from '../../src/forgeq.ts'
import { createJobQueue } from '../../src/queue/create.ts'
import type { CallerTransaction } from '../../src/queue/job-queue.ts'
import { withCaller } from '../support/caller.ts'
import { testDatabase } from '../support/database.ts'
import { jobOf, newJob } from '../support/factory.ts'

const db = testDatabase()
const queue = () => createJobQueue(db.pool, DEFAULTS)
const jobsOf = async (type: string) => (await db.sql('select from forgeq.jobs where type = $1', type)).length

let forgeq: ForgeQ
beforeAll(() => void (forgeq = new ForgeQ({ databaseUrl: db.url })))
afterAll(() => forgeq.close())

describe("a job in the caller's transaction", () => {
  test.each([
    ['plain', () => ({})],
    ['with a key', () => ({ idempotencyKey: uuidv7() })],
    ['with an id', () => ({ id: uuidv7() })],
  ])('exists if and only if that commits: %s', async (kind, options) => {
    await withCaller(db, async (caller) => {
      const type = kind.replaceAll(' ', '-')
      await caller.query('begin')
      const rolledBack = await forgeq.enqueue(type, { n: 1 }, { tx: caller, ...options() })
      expect(rolledBack.created).toBe(true)
      expect(await jobsOf(type)).toBe(0) // seen by nobody else
      await caller.query('rollback')
      expect(await jobsOf(type)).toBe(0)
      await expect(forgeq.job(rolledBack.id)).rejects.toMatchObject({ code: 'job_not_found' })

      await caller.query('begin')
      const [committed] = await forgeq.enqueueMany([[type, { n: 2 }, options()]], { tx: caller })
      await caller.query('commit')
      expect(await jobsOf(type)).toBe(1)
      expect(await forgeq.job(committed!.id)).toMatchObject({ type, payload: { n: 2 }, state: 'pending' })
    })
  })

  test.each(['repeatable read', 'serializable'])(
    'takes no id of its own where it goes on seeing what was there at its begin: %s',
    async (isolation) => {
      await withCaller(db, async (caller) => {
        await caller.query(`begin isolation level ${isolation}`)
        const refused = forgeq.enqueue('frozen', {}, { tx: caller, id: uuidv7() })
        await expect(refused).rejects.toMatchObject({
          code: 'invalid_request',
          message: expect.stringContaining(isolation),
        })
        await forgeq.enqueue('frozen', {}, { tx: caller, idempotencyKey: uuidv7() })
        await caller.query('commit')
      })
      expect(await jobsOf('frozen')).toBeGreaterThan(0)
    },
  )

  test('belongs to a savepoint like everything else', async () => {
    await withCaller(db, async (caller) => {
      await caller.query('begin')
      await caller.query('savepoint one')
      await forgeq.enqueue('savepoint', {}, { tx: caller })
      await caller.query('rollback to savepoint one')
      await forgeq.enqueue('savepoint', {}, { tx: caller })
      await caller.query('commit')
    })
    expect(await jobsOf('savepoint')).toBe(1)
  })

  test('is counted from the moment of the call, not from the begin of a long transaction', async () => {
    await withCaller(db, async (caller) => {
      await caller.query('begin')
      await caller.query('select pg_sleep(0.05)')
      const { rows } = await caller.query<{ before: string }>(
        'select extract(epoch from clock_timestamp())::text as before',
      )
      const { job } = await queue().enqueue(newJob({ delayMs: 1_000 }), { tx: caller })
      await caller.query('commit')
      expect(Date.parse(job!.createdAt)).toBeGreaterThanOrEqual(Math.floor(Number(rows[0]!.before) * 1000))
      expect(Date.parse(job!.runAt) - Date.parse(job!.createdAt)).toBe(1_000)
    })
  })

  test("is the same whatever the caller's session thinks of times and numbers", async () => {
    await withCaller(db, async (caller) => {
      await caller.query(`set TimeZone = 'Pacific/Chatham'`)
      await caller.query(`set DateStyle = 'SQL, DMY'`)
      await caller.query(`set IntervalStyle = 'sql_standard'`)
      await caller.query(`set bytea_output = 'escape'`)
      await caller.query(`set search_path = ''`)
      const asked = newJob({
        type: 'chatham',
        runAt: '2027-06-01T12:00:00.123456Z',
        expiresAt: '2027-06-02T12:00:00.654321Z',
        payloadJson: '{"n":9007199254740993}',
        tags: ['a', 'b "c"'],
        idempotencyKey: 'chatham',
        keepForMs: 5_000,
      })
      await caller.query('begin')
      const first = await queue().enqueue(asked, { tx: caller })
      const again = await queue().enqueue(asked, { tx: caller })
      await caller.query('commit')
      const stored = await jobOf(db.pool, first.job!.id)
      expect(stored).toMatchObject({
        runAt: asked.runAt,
        expiresAt: asked.expiresAt,
        tags: asked.tags,
        keepForMs: 5_000,
      })
      expect(first.job).toMatchObject({ runAt: asked.runAt, expiresAt: asked.expiresAt, createdAt: stored.createdAt })
      const { attempts: _attempts, ...listed } = stored
      expect(again).toEqual({ created: false, job: { ...listed, payloadJson: '{"n": 9007199254740993}' } })
    })
  })

  test("is answered the same when the caller's driver has parsers of its own", async () => {
    const { host, port, user, password, database } = db.connection
    const parserOf = pg.types.getTypeParser as (oid: number) => unknown
    const types = {
      getTypeParser: (oid: number) => (oid === 20 || oid === 1700 ? BigInt : parserOf(oid)),
    }
    const client = new pg.Client({
      host,
      port,
      database,
      user: user!,
      password: password!,
      types: types,
    })
    await client.connect()
    await client.query('begin')
    const asked = newJob({ type: 'parsers', id: uuidv7() })
    await queue().enqueue(asked, { tx: client })
    const again = await queue().enqueue(asked, { tx: client })
    await client.query('commit')
    await client.end()
    expect(again.job).toMatchObject({ id: asked.id, priority: 0, attempt: 0, maxAttempts: 25 })
  })
})

describe('something that is not a transaction', () => {
  const refused = { code: 'invalid_request', message: expect.stringContaining('tx') as string }

  test('such as a pool is refused, and nothing is stored', async () => {
    const { host, port, user, password, database } = db.connection
    const pool = new pg.Pool({ host, port, database, user: user!, password: password! })
    await expect(forgeq.enqueue('pool', {}, { tx: pool as unknown as CallerTransaction })).rejects.toMatchObject(
      refused,
    )
    await pool.end()
    expect(await jobsOf('pool')).toBe(0)
  })

  test('such as a client on which no transaction has begun is refused, and nothing is stored', async () => {
    await withCaller(db, async (caller) => {
      await expect(forgeq.enqueue('idle', {}, { tx: caller })).rejects.toMatchObject(refused)
      await caller.query('begin')
      await caller.query('commit')
      await expect(forgeq.enqueueMany([['idle', {}]], { tx: caller })).rejects.toMatchObject(refused)
    })
    expect(await jobsOf('idle')).toBe(0)
  })

  test.each([
    ['null', null],
    ['false', false],
    ['nothing but an empty text', ''],
    ['zero', 0],
    ['a number', 5],
    ['a text', 'tx'],
    ['an object', {}],
    ['a function', () => {}],
  ])('such as %s is refused, and nothing is stored', async (_what, value) => {
    const tx = value as unknown as CallerTransaction
    await expect(forgeq.enqueue('not-a-tx', {}, { tx })).rejects.toMatchObject(refused)
    await expect(forgeq.enqueue('not-a-tx', {}, { tx, idempotencyKey: 'k' })).rejects.toMatchObject(refused)
    await expect(forgeq.enqueueMany([['not-a-tx', {}]], { tx })).rejects.toMatchObject(refused)
    expect(await jobsOf('not-a-tx')).toBe(0)
  })
})
