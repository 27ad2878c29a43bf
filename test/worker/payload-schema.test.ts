import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Job } from '../../src/job/job.ts'
import type { Handler } from '../../src/worker/handler.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob } from '../support/factory.ts'
import { defined, endOf, handler, handlers, jobIn, testWorker } from '../support/worker.ts'

const db = testDatabase()
const start = (all: Handler[], fields: object = {}) =>
  testWorker({ db: db.pool, connection: db.connection, handlers: handlers(...all), ...fields })
const value = (job: Job) => JSON.parse(job.resultJson!) as unknown

describe('what a handler comes to', () => {
  test('a payload that fails its schema is a failure with code and path', async () => {
    await start([
      defined({ type: 'mail', payload: z.object({ to: z.object({ email: z.email() }) }), run: () => 'sent' }),
    ])
    const id = await insertJob(db.pool, { type: 'mail', payload: { to: { email: 'nobody' } } })
    const job = await jobIn(db.pool, id, 'retrying')
    expect(job.error).toMatchObject({
      code: 'invalid_payload',
      message: expect.stringMatching(/^payload\.to\.email: /),
    })
    expect(job.error?.stack).toBeUndefined()
  })

  test('a payload that fails its schema makes the job dead at once when its definition says so', async () => {
    await start([
      defined({ type: 'mail', payload: z.object({ n: z.number() }), invalidPayload: 'dead', run: () => 'sent' }),
    ])
    const id = await insertJob(db.pool, { type: 'mail', payload: { n: 'x' } })
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'dead', attempt: 1, error: { code: 'invalid_payload' } })
  })

  test('the handler gets what its schema makes of the payload', async () => {
    await start([
      defined({
        type: 'mail',
        payload: z.object({ n: z.string().transform(Number) }),
        run: ({ n }) => ({ n, is: typeof n }),
      }),
    ])
    const id = await insertJob(db.pool, { type: 'mail', payload: { n: '7', more: true } })
    expect(value(await endOf(db.pool, id))).toEqual({ n: 7, is: 'number' })
  })

  test('a schema that throws is a failure like any other', async () => {
    const validate = () => {
      throw new RangeError('broken validator')
    }
    await start([handler('checked', () => 1, { schema: { '~standard': { version: 1, vendor: 'test', validate } } })])
    const id = await insertJob(db.pool, { type: 'checked' })
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject({
      error: { name: 'RangeError', message: 'broken validator' },
    })
  })
})
