import { uuidv7 } from 'uuidv7'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { ForgeQ } from '../../src/forgeq.ts'
import { createJobQueue } from '../../src/queue/create.ts'
import { testDatabase } from '../support/database.ts'
import { finishJob, insertJob } from '../support/factory.ts'
import { watched } from '../support/watched.ts'

const db = testDatabase()
let forgeq: ForgeQ
beforeAll(() => void (forgeq = new ForgeQ({ databaseUrl: db.url })))
afterAll(() => forgeq.close())
const queue = () => createJobQueue(db.pool, DEFAULTS)
const ERROR = { name: 'Error', message: 'no', fingerprint: 'f' }

/** An id made so long ago. */
const oldId = (ms: number) => {
  const time = (Date.now() - ms).toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}${uuidv7().slice(13)}`
}

describe('the result of a job', () => {
  test('comes as soon as it ends, to all who wait', async () => {
    const id = await insertJob(db.pool)
    const waiting = Promise.all([forgeq.result(id, { timeout: '20s' }), forgeq.result(id, { timeout: '20s' })])
    await finishJob(db.pool, id, { state: 'completed', resultJson: '{"n": 1}' })
    expect(await waiting).toEqual([
      { state: 'completed', result: { n: 1 } },
      { state: 'completed', result: { n: 1 } },
    ])
  })

  test('is the state when the time is over before, or nobody wants to wait', async () => {
    const id = await insertJob(db.pool)
    expect(await forgeq.result(id)).toEqual({ state: 'pending' })
    expect(await forgeq.result(id, { timeout: '50ms' })).toEqual({ state: 'pending' })
  })

  test('is the state when who waits has gone', async () => {
    const id = await insertJob(db.pool)
    const gone = new AbortController()
    const looks = watched(db.pool, () => gone.abort())
    const { result } = createJobQueue(looks, DEFAULTS).jobs
    expect(await result(id, { waitMs: 60_000, signal: gone.signal })).toEqual({ state: 'pending' })
    expect(looks.names).toHaveLength(1)
  })

  test('of one that returned nothing is null, of a dead one its error, of a cancelled one its reason', async () => {
    const [nothing, dead, cancelled] = [await insertJob(db.pool), await insertJob(db.pool), await insertJob(db.pool)]
    await finishJob(db.pool, nothing)
    await finishJob(db.pool, dead, { state: 'dead', reason: 'attempts spent', error: ERROR })
    await queue().jobs.cancel(cancelled)
    expect(await forgeq.result(nothing)).toEqual({ state: 'completed', result: null })
    expect(await forgeq.result(dead)).toEqual({ state: 'dead', reason: 'attempts spent', error: ERROR })
    expect(await forgeq.result(cancelled)).toEqual({ state: 'cancelled', reason: 'cancelled' })
  })

  test('keeps every digit', async () => {
    const id = await insertJob(db.pool)
    await finishJob(db.pool, id, { state: 'completed', resultJson: '[9007199254740993, 0.1000000000000000055]' })
    expect(await queue().jobs.result(id, { waitMs: 0 })).toEqual({
      state: 'completed',
      resultJson: '[9007199254740993, 0.1000000000000000055]',
    })
  })

  test('of a job that nobody knows is an error, and another when its id is older than the shortest retention', async () => {
    await expect(forgeq.result(uuidv7())).rejects.toMatchObject({ code: 'job_not_found' })
    const day = 86_400_000
    await expect(forgeq.result(oldId(6.9 * day))).rejects.toMatchObject({ code: 'job_not_found' })
    await expect(forgeq.result(oldId(7.1 * day))).rejects.toMatchObject({ code: 'job_expired' })
    const short = createJobQueue(db.pool, { ...DEFAULTS, retention: { ...DEFAULTS.retention, cancelledMs: 1_000 } })
    await expect(short.jobs.result(oldId(60_000), { waitMs: 0 })).rejects.toMatchObject({ code: 'job_expired' })
  })

  test('of a job that is deleted while somebody waits is an error', async () => {
    const id = await insertJob(db.pool)
    const waiting = forgeq.result(id, { timeout: '20s' })
    const refused = expect(waiting).rejects.toMatchObject({ code: 'job_not_found' })
    await queue().jobs.delete(id)
    await refused
  })
})
