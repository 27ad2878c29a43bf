import type pg from 'pg'
import { describe, expect, test } from 'vitest'
import type { CallerTransaction } from '../../src/store/caller-transaction.ts'
import { testDatabase } from '../support/database.ts'
import { endOf, gate, jobIn } from '../support/worker.ts'
import { completingHandlers } from './completing-handler.ts'

const db = testDatabase()
const { begun, effectsOf, running } = completingHandlers(db)

describe('a call that the handler does not wait for', () => {
  test('completes the job with the commit that follows it', async () => {
    const { id } = await running(async (job) => {
      const tx = await begun(job)
      void job.complete(tx, 'late').then(() => tx.query('commit'))
    })
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', resultJson: '"late"' })
    expect(await effectsOf(id)).toBe(1)
  })

  test('is refused when the run was given up before it came to the database, and its rejection ends no process', async () => {
    const held = gate()
    const sent = gate<pg.PoolClient>()
    const asked = gate()
    const { id } = await running(
      async (job) => {
        const tx = await begun(job)
        void job.complete({
          getTransactionStatus: () => 'T',
          async query(text: string, values: unknown[]) {
            await held.promise
            asked.open()
            return tx.query(text, values)
          },
        } as CallerTransaction)
        sent.open(tx)
      },
      { handled: { timeoutMs: 1_500, abortGraceMs: 100 } },
    )
    const tx = await sent.promise
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject({ error: { code: 'timeout' } })
    held.open()
    await asked.promise
    expect((await tx.query('commit')).command).toBe('ROLLBACK')
    expect(await effectsOf(id)).toBe(0)
  })
})
