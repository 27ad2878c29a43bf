import { uuidv7 } from 'uuidv7'
import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { snooze } from '../../src/job/handler-signals.ts'
import { createJobQueue } from '../../src/queue/create.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, type JobFields, jobOf } from '../support/factory.ts'
import { endOf, handler, jobIn, untilAborted } from '../support/worker.ts'
import { completingHandlers, notCommitted } from './completing-handler.ts'

const db = testDatabase()
const { begun, effectsOf, running, start } = completingHandlers(db)

describe('a handler that completes its job in a transaction of its own', () => {
  test.each<[string, JobFields]>([
    ['without a key', {}],
    ['with a key', { key: 'k' }],
  ])('has done both with the commit, its writes and the job: %s', async (_what, job) => {
    const { id, told } = await running(
      async (one) => {
        const tx = await begun(one)
        await one.complete(tx, { paid: true })
        await tx.query('commit')
        return 'not stored'
      },
      { job },
    )
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', resultJson: '{"paid": true}', attempt: 1 })
    expect(await effectsOf(id)).toBe(1)
    expect(await told('completed in a transaction of its handler')).not.toHaveProperty('error')
  })

  test('is stored as completed when it throws after the commit, which the log tells', async () => {
    const { id, told } = await running(async (job) => {
      const tx = await begun(job)
      await job.complete(tx)
      await tx.query('commit')
      throw new Error('after the end')
    })
    expect(await told('completed in a transaction of its handler')).toMatchObject({ error: 'after the end' })
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'completed', resultJson: 'null' })
    expect(await effectsOf(id)).toBe(1)
  })

  test.each<[string, () => unknown, object]>([
    [
      'fails as it throws',
      () => new Error('card declined'),
      { state: 'retrying', error: { message: 'card declined' } },
    ],
    ['is snoozed as it says', () => snooze('1h'), { state: 'scheduled', attempt: 0 }],
  ])('%s when it has rolled back', async (_what, thrown, becomes) => {
    const { id } = await running(async (job) => {
      const tx = await begun(job)
      await job.complete(tx)
      await tx.query('rollback')
      throw thrown()
    })
    expect(await jobIn(db.pool, id, ['retrying', 'scheduled'])).toMatchObject(becomes)
    expect(await effectsOf(id)).toBe(0)
  })

  test('has failed when it returns after a rollback', async () => {
    const { id } = await running(async (job) => {
      const tx = await begun(job)
      await job.complete(tx)
      await tx.query('rollback')
      return 'all good'
    })
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject(notCommitted(/its transaction was not committed/))
    expect(await effectsOf(id)).toBe(0)
  })

  test('is dead after a rollback when attempts are spent', async () => {
    const { id } = await running(
      async (job) => {
        const tx = await begun(job)
        await job.complete(tx)
        await tx.query('rollback')
      },
      { job: { maxAttempts: 1 } },
    )
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'dead', reason: 'attempts spent' })
  })

  test('has failed when its connection broke before the commit', async () => {
    const { id } = await running(async (job) => {
      const tx = await begun(job)
      await job.complete(tx)
      await db.sql('select pg_terminate_backend($1)', (tx as unknown as { processID: number }).processID)
      await tx.query('commit')
    })
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject({ attempt: 1 })
    expect(await effectsOf(id)).toBe(0)
  })

  test('stores a result as a returned one: made storable, and replaced where it is too large', async () => {
    const circular: Record<string, unknown> = { text: 'a\0b', big: 10n }
    circular['self'] = circular
    const results = [circular, 'x'.repeat(2_000_000)]
    const type = uuidv7()
    await start([
      handler(type, async ({ n }, job) => {
        const tx = await begun(job)
        await job.complete(tx, results[n!])
        await tx.query('commit')
      }),
    ])
    const ids = [
      await insertJob(db.pool, { type, payload: { n: 0 } }),
      await insertJob(db.pool, { type, payload: { n: 1 } }),
    ]
    const [first, second] = await Promise.all(
      ids.map(async (id) => JSON.parse((await endOf(db.pool, id)).resultJson!) as unknown),
    )
    expect(first).toEqual({ text: 'a\ufffdb', big: 10, self: '[circular]' })
    expect(second).toEqual({ forgeq_truncated: true, bytes: 2_000_002 })
  })

  test('lets its completion stand although somebody asked to cancel, and after its time was over', async () => {
    for (const reason of ['cancelled', 'timeout']) {
      const { id } = await running(
        async (job) => {
          if (reason === 'cancelled') await createJobQueue(db.pool, DEFAULTS).jobs.cancel(job.id)
          await untilAborted(job.signal).catch(() => {})
          const tx = await begun(job)
          await job.complete(tx, reason)
          await tx.query('commit')
          throw job.signal.reason as Error
        },
        { handled: reason === 'timeout' ? { timeoutMs: 100 } : {} },
      )
      expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', resultJson: `"${reason}"` })
      expect(await effectsOf(id)).toBe(1)
    }
  })
})

test('runs are counted by what became of them', async () => {
  const { id, worker, told } = await running(async (job) => {
    const tx = await begun(job)
    await job.complete(tx)
    await tx.query('commit')
  })
  await told('completed in a transaction')
  expect(await jobOf(db.pool, id)).toMatchObject({ state: 'completed' })
  expect(await worker.metricsText()).toMatch(/forgeq_outcomes_total\{[^}]*outcome="completed"[^}]*\} 1/)
})
