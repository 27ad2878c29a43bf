import { expect, test } from 'vitest'
import { createRecovery } from '../../src/loops/recovery.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, insertSession, type JobFields, jobOf } from '../support/factory.ts'
import { loopContext } from '../support/loops.ts'

const db = testDatabase()
const recover = () => createRecovery(loopContext(db.pool)).runOnce()

/** Jobs that were under way in one worker when it vanished; leases beyond the third lay in its buffer. */
async function underWay(...jobs: JobFields[]): Promise<string[]> {
  const session = await insertSession(db.pool, { expiresInMs: -1, startedUpto: 3 })
  return Promise.all(jobs.map((fields) => insertJob(db.pool, { state: 'running', session, ...fields })))
}

test('a job that was lost before and ran in the lost worker pays alone', async () => {
  const [suspect, beside, buffered] = await underWay({ lost: 1, quarantined: true }, {}, { leaseNo: 4 })
  await recover()
  expect(await jobOf(db.pool, suspect!)).toMatchObject({ state: 'retrying', lost: 2, attempt: 1 })
  expect(await jobOf(db.pool, buffered!)).toMatchObject({ state: 'pending', lost: 0, attempt: 0, attempts: [] })
  // It has run, and that is not forgotten.
  expect(await jobOf(db.pool, beside!)).toMatchObject({
    state: 'pending',
    lost: 0,
    attempt: 0,
    attempts: [{ attempt: 1, token: 1, outcome: 'released' }],
  })
})

test('a job that was lost before and ran in a child pays nothing, those in the worker itself do', async () => {
  const [inChild, here] = await underWay({ lost: 2 }, {})
  await recover()
  expect(await jobOf(db.pool, inChild!)).toMatchObject({ state: 'pending', lost: 2, attempt: 0 })
  expect(await jobOf(db.pool, here!)).toMatchObject({ state: 'pending', lost: 1, attempt: 1 })
})

test('a note about an earlier lease says nothing about this one', async () => {
  const [suspect] = await underWay({ lost: 1, token: 7 })
  await db.sql(`update forgeq.jobs set quarantine_token = 6 where id = $1`, suspect)
  await recover()
  expect(await jobOf(db.pool, suspect!)).toMatchObject({ state: 'pending', lost: 1 })
})

test('whoever is spared three times pays the fourth', async () => {
  const [third, fourth] = await underWay({ lost: 1, givenBack: 2 }, { lost: 1, givenBack: 3 })
  const [beside] = await underWay({ givenBack: 3 }, { lost: 1, quarantined: true })
  await recover()
  expect(await jobOf(db.pool, third!)).toMatchObject({ state: 'pending', lost: 1 })
  expect(await jobOf(db.pool, fourth!)).toMatchObject({ state: 'retrying', lost: 2 })
  expect(await jobOf(db.pool, beside!)).toMatchObject({ state: 'pending', lost: 1 })
  const [row] = await db.sql<{ given_back: number }>(`select given_back from forgeq.jobs where id = $1`, third)
  expect(row).toEqual({ given_back: 3 })
})

test('a job that cannot be written does not keep the others from coming back', async () => {
  const [good, bad, other] = await underWay({}, { type: 'unwritable' }, {})
  await db.sql(`alter table forgeq.jobs add constraint for_this_test check (type <> 'unwritable' or state = 'running')`)
  const recovery = createRecovery(loopContext(db.pool))
  expect(await recovery.runOnce()).toBe(2)
  for (const id of [good, other]) expect(await jobOf(db.pool, id!)).toMatchObject({ state: 'pending', lost: 1 })
  expect(await jobOf(db.pool, bad!)).toMatchObject({ state: 'running' })
  // Set aside, it is not in the way of the next pass either.
  const [later] = await underWay({})
  expect(await recovery.runOnce()).toBe(1)
  expect(await jobOf(db.pool, later!)).toMatchObject({ state: 'pending' })
  await db.sql(`alter table forgeq.jobs drop constraint for_this_test`)
  expect(await recover()).toBe(1)
})
