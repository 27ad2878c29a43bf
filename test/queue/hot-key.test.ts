import { uuidv7 } from 'uuidv7'
import { expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { createJobQueue } from '../../src/queue/create.ts'
import { Turnstile } from '../../src/queue/turnstile.ts'
import { createPool } from '../../src/store/database.ts'
import { withCaller } from '../support/caller.ts'
import { testDatabase } from '../support/database.ts'
import { newJob } from '../support/factory.ts'
import { gate } from '../support/worker.ts'

const db = testDatabase()

test('those who wait for a key that somebody holds leave connections to the others', async () => {
  const pool = createPool(db.connection, { size: 4, purpose: 'test' })
  const jobs = createJobQueue(pool, DEFAULTS)
  const idempotencyKey = uuidv7()
  await withCaller(db, async (caller) => {
    await caller.query('begin')
    await jobs.enqueue(newJob({ idempotencyKey }), { tx: caller })
    const waiting = Array.from({ length: 12 }, () => jobs.enqueue(newJob({ idempotencyKey })))
    const startedAt = performance.now()
    await jobs.enqueue(newJob({ type: 'beside' }))
    await jobs.enqueue(newJob({ type: 'beside' }))
    expect(performance.now() - startedAt).toBeLessThan(1_000)
    await caller.query('commit')
    const repeated = await Promise.all(waiting)
    expect(repeated.map(({ created }) => created)).toEqual(Array(12).fill(false))
  })
  await pool.close()
})

test('a key that is held is answered for without waiting for whoever changes it', async () => {
  const jobs = createJobQueue(db.pool, DEFAULTS)
  const job = newJob({ idempotencyKey: uuidv7() })
  const { job: first } = await jobs.enqueue(job)
  await withCaller(db, async (caller) => {
    await caller.query('begin')
    // As a handler's transaction that completes the job.
    await caller.query(
      `update forgeq.idempotency_keys set state = 'completed', expires_at = now() + interval '7 days' where key = $1`,
      [job.idempotencyKey],
    )
    const startedAt = performance.now()
    expect(await jobs.enqueue(job)).toMatchObject({ created: false, job: { id: first!.id } })
    expect(performance.now() - startedAt).toBeLessThan(1_000)
    await caller.query('rollback')
  })
})

test('a turnstile lets in as many as it has places, in the order in which they came, also after a failure', async () => {
  const turnstile = new Turnstile(2)
  const gates = Array.from({ length: 4 }, () => gate())
  const inside: number[] = []
  const works = gates.map(({ promise }, n) =>
    turnstile.pass(async () => {
      inside.push(n)
      await promise
      if (n === 0) throw new Error('x')
    }),
  )
  works[0]!.catch(() => {})
  await new Promise(setImmediate)
  expect(inside).toEqual([0, 1])
  gates[0]!.open()
  await expect(works[0]).rejects.toThrow('x')
  await new Promise(setImmediate)
  expect(inside).toEqual([0, 1, 2])
  for (const { open } of gates) open()
  await Promise.all(works.slice(1))
  expect(inside).toEqual([0, 1, 2, 3])
})
