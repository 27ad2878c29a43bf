import { describe, expect, test } from 'vitest'
import type { CallerTransaction } from '../../src/store/caller-transaction.ts'
import type { RunningJob } from '../../src/worker/handler.ts'
import { testDatabase } from '../support/database.ts'
import { jobOf } from '../support/factory.ts'
import { watched } from '../support/watched.ts'
import { endOf, gate, jobIn, until } from '../support/worker.ts'
import { completingHandlers, notCommitted } from './completing-handler.ts'

const db = testDatabase()
const { begun, clients, connected, effectsOf, running } = completingHandlers(db)

describe('a call of complete() that is refused', () => {
  test.each<[string, (job: RunningJob) => Promise<unknown>]>([
    ['nothing', () => Promise.resolve(undefined)],
    ['a number', () => Promise.resolve(5)],
    ['a pool', () => Promise.resolve(clients())],
    ['a client on which nothing has begun', () => connected()],
    [
      'something over a pool that does not tell',
      () => Promise.resolve({ query: (text: string, values: unknown[]) => clients().query(text, values) }),
    ],
  ])('because it was given %s fails the run, and nothing is completed', async (_what, given) => {
    let refused: unknown
    const { id } = await running(async (job) => {
      const tx = (await given(job)) as CallerTransaction
      refused = await job.complete(tx, 'r').catch((error: unknown) => error)
      return 'value'
    })
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject(notCommitted(/complete\(\) was called and rejected/))
    expect(refused).toMatchObject({ code: 'invalid_request', message: expect.stringContaining('`tx`') as string })
  })

  test('works through a layer over a client that does not tell whether a transaction has begun', async () => {
    const { id } = await running(async (job) => {
      const tx = await begun(job)
      await job.complete({ query: (text, values) => tx.query(text, values) }, 'layered')
      await tx.query('commit')
    })
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', resultJson: '"layered"' })
  })

  test('because it is the second one of the run changes nothing about the first, and its transaction cannot be committed', async () => {
    let second: unknown
    let committed: string | undefined
    const { id } = await running(async (job) => {
      const tx = await begun(job)
      await job.complete(tx, 'first')
      await tx.query('commit')
      const other = await begun(job)
      second = await job.complete(other, 'second').catch((error: unknown) => error)
      committed = (await other.query('commit')).command
    })
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', resultJson: '"first"' })
    await until('the handler has ended', () => committed)
    expect(second).toMatchObject({ code: 'invalid_request', message: expect.stringContaining('before') as string })
    expect(committed).toBe('ROLLBACK')
    expect(await effectsOf(id)).toBe(1)
  })

  test('because the lease was lost has no effect, even if the handler commits all the same', async () => {
    let refused: unknown
    let committed: string | undefined
    const { id, told } = await running(async (job) => {
      const tx = await begun(job)
      // Taken back by recovery and leased to somebody else, who has not ended yet.
      await db.sql(
        `update forgeq.jobs set token = token + 1, attempt = attempt + 1, session_id = gen_random_uuid() where id = $1`,
        job.id,
      )
      refused = await job.complete(tx).catch((error: unknown) => error)
      committed = (await tx.query('commit')).command
    })
    await told('outcome refused')
    expect(refused).toMatchObject({ code: 'lease_lost', details: { id } })
    expect(committed).toBe('ROLLBACK')
    expect(await effectsOf(id)).toBe(0)
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'running', attempt: 2 })
  })

  test('because the run is over is refused at once, also while its outcome is not stored yet', async () => {
    const storing = gate()
    const free = gate()
    const pool = watched(db.pool, ({ name }) => {
      if (name !== 'forgeq:complete_jobs') return undefined
      storing.open()
      return free.promise
    })
    const late = gate<{ refused: unknown; committed: string }>()
    const { id } = await running(
      (job) => {
        void storing.promise.then(async () => {
          const tx = await begun(job)
          const refused = await job.complete(tx, 'late').catch((error: unknown) => error)
          late.open({ refused, committed: (await tx.query('commit')).command })
          free.open()
        })
        return 'returned'
      },
      { db: pool },
    )
    expect(await late.promise).toMatchObject({ refused: { code: 'lease_lost' }, committed: 'ROLLBACK' })
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', resultJson: '"returned"' })
    expect(await effectsOf(id)).toBe(0)
  })

  test('because the run is over has no effect either', async () => {
    const late = gate<{ refused: unknown; committed: string }>()
    const over = gate()
    const { id } = await running((job) => {
      void over.promise.then(async () => {
        const tx = await begun(job)
        const refused = await job.complete(tx).catch((error: unknown) => error)
        late.open({ refused, committed: (await tx.query('commit')).command })
      })
      return 'returned'
    })
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', resultJson: '"returned"' })
    over.open()
    expect(await late.promise).toMatchObject({ refused: { code: 'lease_lost' }, committed: 'ROLLBACK' })
    expect(await effectsOf(id)).toBe(0)
  })
})
