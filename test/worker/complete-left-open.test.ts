import type pg from 'pg'
import { uuidv7 } from 'uuidv7'
import { describe, expect, test } from 'vitest'
import { createRecovery } from '../../src/loops/recovery.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, jobOf } from '../support/factory.ts'
import { loopContext } from '../support/loops.ts'
import { endOf, gate, handler, jobIn } from '../support/worker.ts'
import { completingHandlers, notCommitted } from './completing-handler.ts'

const db = testDatabase()
const { begun, effectsOf, running, start } = completingHandlers(db)

describe('a transaction that the handler leaves open', () => {
  /** A job whose handler returns without a commit, and its client. */
  async function leftOpen(fields: { abortGraceMs?: number } = {}) {
    const left = gate<pg.PoolClient>()
    const ran = await running(async (job) => {
      const tx = await begun(job)
      await job.complete(tx)
      left.open(tx)
    }, fields)
    return { ...ran, tx: await left.promise }
  }

  test('holds up no outcome of others, and is told of when the abort grace is over', async () => {
    const { id, told, tx } = await leftOpen({ abortGraceMs: 300 })
    const others = uuidv7()
    await start([handler(others, () => 'done')])
    const ids = await Promise.all(Array.from({ length: 20 }, () => insertJob(db.pool, { type: others })))
    for (const other of ids) expect(await endOf(db.pool, other)).toMatchObject({ state: 'completed' })
    expect(await told('its transaction is still open')).toMatchObject({ level: 50 })
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'running' })
    await tx.query('rollback')
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject(notCommitted(/its transaction was not committed/))
  })

  test('completes the job when it is committed late', async () => {
    const { id, told, tx } = await leftOpen()
    await tx.query('commit')
    await told('completed in a transaction of its handler')
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed' })
    expect(await effectsOf(id)).toBe(1)
  })

  test.each(['commit', 'rollback'])(
    'is waited for by the failure of a run that was given up, until its %s',
    async (end) => {
      const open = gate<pg.PoolClient>()
      const never = gate()
      const { id, told } = await running(
        async (job) => {
          const tx = await begun(job)
          await job.complete(tx)
          open.open(tx)
          await never.promise
        },
        { handled: { timeoutMs: 1_500, abortGraceMs: 100 } },
      )
      const tx = await open.promise
      await told('its slot is stuck')
      expect(await jobOf(db.pool, id)).toMatchObject({ state: 'running' })
      await tx.query(end)
      const job = await jobIn(db.pool, id, ['completed', 'retrying'])
      if (end === 'commit') expect(job).toMatchObject({ state: 'completed' })
      else expect(job).toMatchObject({ state: 'retrying', error: { code: 'timeout' } })
      expect(await effectsOf(id)).toBe(end === 'commit' ? 1 : 0)
      never.open()
    },
  )

  test('does not keep a worker from stopping; what becomes of the job is for recovery to say', async () => {
    const { id, worker, tx } = await leftOpen()
    const from = performance.now()
    await worker.stop({ graceMs: 0 })
    expect(performance.now() - from).toBeLessThan(5_000)
    const recovery = createRecovery(loopContext(db.pool))
    await recovery.runOnce()
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'running' })
    await tx.query('rollback')
    await recovery.runOnce()
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', lost: 1 })
    expect(await effectsOf(id)).toBe(0)
  })
})
