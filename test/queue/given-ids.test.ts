import { uuidv7 } from 'uuidv7'
import { describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import type { NewJob } from '../../src/job/job.ts'
import { createJobQueue, keepingOf } from '../../src/queue/create.ts'
import { cancelWaitingJob } from '../../src/store/jobs.ts'
import { finishKeyedJobs } from '../../src/store/outcomes.ts'
import { untilWaiting, withCaller } from '../support/caller.ts'
import { testDatabase } from '../support/database.ts'
import { insertSession, newJob } from '../support/factory.ts'
import { gate } from '../support/watched.ts'

const db = testDatabase({ size: 20 })
const queue = () => createJobQueue(db.pool, DEFAULTS)
const keeping = keepingOf(DEFAULTS)
const enqueue = (fields: Partial<NewJob>) => queue().enqueue(newJob(fields))
const conflict = { code: 'conflict' }

const jobsOf = async (type: string) =>
  (await db.sql<{ id: string }>('select id from forgeq.all_jobs where type = $1 order by seq', type)).map(
    ({ id }) => id,
  )

/** The job runs under a session, and ends. */
async function complete(id: string): Promise<void> {
  const sessionId = await insertSession(db.pool)
  await db.sql(
    `update forgeq.jobs set state = 'running', attempt = attempt + 1, token = token + 1, session_id = $2, lease_no = 1 where id = $1`,
    id,
    sessionId,
  )
  const [row] = await db.sql<{ token: number }>('select token from forgeq.jobs where id = $1', id)
  const outcome = { id, token: row!.token, state: 'completed' as const, ranMs: 1 }
  const accepted = await finishKeyedJobs(
    db.pool,
    { sessionId, worker: { id: sessionId, name: 'w' } },
    [outcome],
    keeping,
  )
  expect(accepted.size).toBe(1)
}

describe('an id given twice', () => {
  test('with the same meaning is the same job: waiting, finished, retried', async () => {
    const asked = newJob({ type: 'given', id: uuidv7() })
    const first = await queue().enqueue(asked)
    expect(first).toMatchObject({ created: true, job: { id: asked.id } })
    expect(await queue().enqueue(asked)).toMatchObject({ created: false, job: { id: asked.id, state: 'pending' } })
    await complete(asked.id!)
    expect(await queue().enqueue(asked)).toMatchObject({ created: false, job: { id: asked.id, state: 'completed' } })
    await queue().jobs.retry(asked.id!)
    expect(await queue().enqueue(asked)).toMatchObject({ created: false, job: { id: asked.id, state: 'pending' } })
    expect(await jobsOf('given')).toEqual([asked.id])
    const [counted] = await db.sql<{ n: number }>(
      `select sum(n)::int as n from forgeq.count_deltas where type = 'given' and event = 'enqueued'`,
    )
    expect(counted!.n).toBe(1)
  })

  test('with another meaning is a conflict, waiting or finished', async () => {
    const asked = newJob({ type: 'given2', id: uuidv7() })
    await queue().enqueue(asked)
    const other = { ...asked, payloadJson: '{"other":true}' }
    await expect(queue().enqueue(other)).rejects.toMatchObject({ ...conflict, details: { id: asked.id } })
    await complete(asked.id!)
    await expect(queue().enqueue(other)).rejects.toMatchObject({ ...conflict, details: { id: asked.id } })
    expect(await jobsOf('given2')).toEqual([asked.id])
  })

  test('of a job that was enqueued without one is the same job when type, queue and payload are the same', async () => {
    const { job } = await enqueue({ type: 'made', payloadJson: '{"a":1}' })
    const again = { type: 'made', id: job!.id }
    expect(await enqueue({ ...again, payloadJson: '{"a":1.0}' })).toMatchObject({
      created: false,
      job: { id: job!.id },
    })
    await expect(enqueue({ ...again, payloadJson: '{"a":2}' })).rejects.toMatchObject(conflict)
  })

  test('by 32 at once makes one job', async () => {
    const one = queue()
    const asked = newJob({ type: 'ids32', id: uuidv7() })
    const answers = await Promise.all(Array.from({ length: 32 }, () => one.enqueue(asked)))
    expect(answers.filter(({ created }) => created)).toHaveLength(1)
    expect(await jobsOf('ids32')).toEqual([asked.id])
  })

  test('while its job is being moved to history is the same job', async () => {
    const asked = newJob({ type: 'moving', id: uuidv7() })
    await queue().enqueue(asked)
    const moving = gate()
    const moved = gate()
    const cancelling = db.pool.transaction(async (tx) => {
      await cancelWaitingJob(tx, asked.id!, keeping)
      moving.open()
      await moved.opened
    })
    await moving.opened
    const again = queue().enqueue(asked) // waits for the delete
    await untilWaiting(db, 1)
    moved.open()
    await cancelling
    expect(await again).toMatchObject({ created: false, job: { id: asked.id, state: 'cancelled' } })
    expect(await db.sql('select from forgeq.jobs where id = $1', asked.id)).toEqual([])
    expect(await jobsOf('moving')).toEqual([asked.id])
  })

  test('with a key that is not its own leaves that key free', async () => {
    const asked = newJob({ type: 'idkey', id: uuidv7() })
    await queue().enqueue(asked)
    expect(await queue().enqueue({ ...asked, idempotencyKey: 'unused' })).toMatchObject({ created: false })
    expect(await enqueue({ type: 'idkey2', idempotencyKey: 'unused' })).toMatchObject({ created: true })
  })

  test('of a bulk is taken in the order of ids: while it waits for one it holds none of those behind', async () => {
    const asked = Array.from({ length: 3 }, () => newJob({ type: 'sorted', id: uuidv7() }))
    await withCaller(db, async (holder) => {
      await holder.query('begin')
      await queue().enqueue(asked[1]!, { tx: holder })
      const waiting = queue().enqueueMany(asked.toReversed())
      await untilWaiting(db, 1)
      expect(await queue().enqueue(asked[2]!)).toMatchObject({ created: true })
      await holder.query('rollback')
      expect((await waiting).map(({ created }) => created)).toEqual([false, true, true])
    })
  })
})
