import { describe, expect, test } from 'vitest'
import { ForgeQ, type LibraryWorker } from '../../src/index.ts'
import { defineJob } from '../../src/worker/definition.ts'
import type { Handler } from '../../src/worker/handler.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob } from '../support/factory.ts'
import { handler, handlers, jobIn, testWorker } from '../support/worker.ts'

const db = testDatabase()
const start = (all: Handler[], fields: object = {}) =>
  testWorker({ db: db.pool, connection: db.connection, handlers: handlers(...all), ...fields })

describe('the library', () => {
  test('runs middleware around the handler, the first one outermost, and keeps what it makes of the value', async () => {
    const forgeq = new ForgeQ({ databaseUrl: db.url })
    const order: string[] = []
    const job = defineJob({
      type: 'wrapped',
      run: () => {
        order.push('handler')
        return 1
      },
    })
    const worker: LibraryWorker = forgeq
      .worker({ jobs: [job], loops: false })
      .use(async (running, next) => {
        order.push(`outer ${running.type}`)
        const inner = (await next()) as number
        order.push('outer end')
        return inner + 1
      })
      .use(async (_, next) => {
        order.push('inner')
        return ((await next()) as number) * 10
      })
    try {
      await worker.start()
      expect(() => worker.use(() => 1)).toThrow('the worker has been started')
      const { id } = await forgeq.enqueue(job, {})
      expect(await forgeq.result(job, id, { timeout: '10s' })).toMatchObject({ state: 'completed', result: 11 })
      expect(order).toEqual(['outer wrapped', 'inner', 'handler', 'outer end'])
    } finally {
      await worker.stop({ grace: '1s' })
      await forgeq.close()
    }
  })

  test('fails the run when its middleware throws, and never calls the handler', async () => {
    let called = false
    await start([handler('guarded', () => (called = true))], {
      middleware: [
        () => {
          throw new Error('not today')
        },
      ],
    })
    const id = await insertJob(db.pool, { type: 'guarded' })
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject({ error: { message: 'not today' } })
    expect(called).toBe(false)
  })
})
