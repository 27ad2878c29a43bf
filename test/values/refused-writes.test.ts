import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Outcome } from '../../src/job/outcome.ts'
import { testDatabase } from '../support/database.ts'
import { until } from '../support/worker.ts'
import { BATCH, type Batch, leasedBatch, reporterOf, reportOf, storedJobs } from './batch.ts'

const db = testDatabase()

/** What is held up is held up for ever: a slow machine must not be taken for that. */
const PATIENT = { withinMs: 120_000 }
vi.setConfig({ testTimeout: 150_000 })

/** One after the other: a transaction with two of them and the write that is being repeated would wait for each other. */
const HEAL = [
  'drop trigger if exists poisoned on forgeq.finished_jobs',
  'drop trigger if exists poisoned on forgeq.jobs',
  'alter table forgeq.finished_jobs drop constraint if exists not_poisoned',
]
const inTurn = async (statements: readonly string[]) => {
  for (const statement of statements) await db.sql(statement)
}
const heal = () => inTurn(HEAL)
afterEach(heal)

/** From now on Postgres answers with this error wherever a marked job comes to one of these states. */
async function poison(sqlstate: string, states: readonly string[] = ['completed', 'retrying']): Promise<void> {
  await inTurn([
    `create or replace function poisoned() returns trigger language plpgsql as $$
    begin
      if 'poison' = any (new.tags) and new.state = any ('{${states.join(',')}}') then
        raise exception 'somebody''s trigger says no' using errcode = '${sqlstate}';
      end if;
      return new;
    end $$`,
    'create trigger poisoned before insert on forgeq.finished_jobs for each row execute function poisoned()',
    'create trigger poisoned before update on forgeq.jobs for each row execute function poisoned()',
  ])
}

const completed = (n: number): Outcome => ({ state: 'completed', resultJson: `{"n":${n}}` })
const failed = (n: number): Outcome => ({
  state: 'retrying',
  delayMs: 60_000,
  error: { name: 'Error', message: `no ${n}`, fingerprint: 'f' },
})

const ROADS: { name: string; outcome: (n: number) => Outcome; state: string; keyed: boolean }[] = [
  { name: 'results', outcome: completed, state: 'completed', keyed: false },
  { name: 'results of jobs with a key', outcome: completed, state: 'completed', keyed: true },
  { name: 'failures', outcome: failed, state: 'retrying', keyed: false },
]

/** Everything that is not marked is stored as it was reported. */
async function expectOthersWhole(batch: Batch, marked: readonly number[], { state, outcome }: (typeof ROADS)[number]) {
  const stored = await storedJobs(db, batch.ids)
  const others = batch.ids.flatMap((id, n) => (marked.includes(n) ? [] : [{ n, job: stored.get(id) }]))
  expect(others).toHaveLength(batch.ids.length - marked.length)
  for (const { n, job } of others) {
    const told = outcome(n)
    const expected = told.state === 'completed' ? { result: `{"n": ${n}}` } : { error: { message: `no ${n}` } }
    expect(job).toMatchObject({ state, ...expected })
  }
}

async function reported(marked: readonly number[], road: (typeof ROADS)[number]) {
  const batch = await leasedBatch(db, { marked, keyed: road.keyed })
  const { reporter, verdicts } = reporterOf(db)
  // In one turn of the loop: they go into one statement.
  for (const n of batch.ids.keys()) reporter.push(reportOf(batch, n, road.outcome(n), road.keyed))
  const others = batch.ids.filter((_, n) => !marked.includes(n))
  await until('all others have their verdict', () => others.every((id) => verdicts.has(id)), PATIENT)
  return { batch, verdicts, unsettled: reporter.unsettled, one: batch.ids[marked[0]!]! }
}

const REFUSALS = ['23514', 'P0001', '22P05', '22023', '54001', '21000', '44000']
const FAILURES = ['XX000', '57014', '42501', '0A000', '40001', '53200']
/** Every error on the road that most take, the first two on the others. */
const some = (errors: string[], { name }: { name: string }) => (name === ROADS[0]!.name ? errors : errors.slice(0, 2))

describe.each(ROADS)(`one of ${BATCH} $name that Postgres refuses although our check let it through`, (road) => {
  test.each(some(REFUSALS, road))(
    'by the error %s ends its own job, seen as what it is, and the other 499 are stored as they were',
    async (sqlstate) => {
      await poison(sqlstate)
      const { batch, verdicts, one } = await reported([137], road)
      await until('it has its verdict', () => verdicts.has(one), PATIENT)
      await expectOthersWhole(batch, [137], road)
      expect((await storedJobs(db, [one])).get(one)).toMatchObject({
        state: 'dead',
        reason: 'outcome not storable',
        error: { message: expect.stringContaining("somebody's trigger says no") as string },
      })
    },
  )

  test.each(some(FAILURES, road))(
    'by the error %s, which may be over tomorrow, waits alone for that, and the other 499 are stored as they were',
    async (sqlstate) => {
      await poison(sqlstate)
      const { batch, verdicts, unsettled, one } = await reported([0], road)
      await expectOthersWhole(batch, [0], road)
      expect(verdicts.has(one)).toBe(false)
      expect([...unsettled.keys()].map(({ id }) => id)).toEqual([one])
      await heal()
      await until('it has its verdict', () => verdicts.has(one), PATIENT)
      expect(verdicts.get(one)).toEqual({ accepted: true, state: road.state })
    },
  )
})

const [RESULTS] = ROADS as [(typeof ROADS)[number]]

test('a check constraint that one result of 500 breaks ends that job alone', async () => {
  await db.sql(
    `alter table forgeq.finished_jobs add constraint not_poisoned check (coalesce(result -> 'n' <> '499', true)) not valid`,
  )
  const batch = await leasedBatch(db)
  const { reporter, verdicts } = reporterOf(db)
  for (const n of batch.ids.keys()) reporter.push(reportOf(batch, n, completed(n)))
  await until('all have their verdict', () => verdicts.size === BATCH, PATIENT)
  await expectOthersWhole(batch, [499], RESULTS)
  const last = batch.ids[499]!
  expect((await storedJobs(db, [last])).get(last)).toMatchObject({ state: 'dead', reason: 'outcome not storable' })
})

test('what Postgres takes in no form at all is given up, and stops nobody', async () => {
  await poison('23514', ['completed', 'dead'])
  const { batch, verdicts, one } = await reported([250], RESULTS)
  await until('it has its verdict', () => verdicts.has(one), PATIENT)
  expect(verdicts.get(one)).toEqual({ accepted: false })
  await expectOthersWhole(batch, [250], RESULTS)
})

test('a hundred that cannot be stored among 400 that can end alone', async () => {
  await poison('23514')
  const marked = Array.from({ length: 100 }, (_, n) => n * 5)
  const { batch, verdicts } = await reported(marked, RESULTS)
  await until('all have their verdict', () => verdicts.size === BATCH, PATIENT)
  await expectOthersWhole(batch, marked, RESULTS)
})

test('a hundred that fail for no known reason, the first of their batch, hold up none of 400 others', async () => {
  await poison('XX000')
  const marked = Array.from({ length: 100 }, (_, n) => n)
  const { batch, unsettled } = await reported(marked, RESULTS)
  expect(unsettled.size).toBe(100)
  await expectOthersWhole(batch, marked, RESULTS)
})

test('outcomes that fail for no known reason, one in each batch, do not stop the batches that come after', async () => {
  await poison('XX000')
  const batch = await leasedBatch(db, { size: 8 * 10, marked: Array.from({ length: 8 }, (_, n) => n * 10) })
  const { reporter, verdicts } = reporterOf(db)
  for (const n of batch.ids.keys()) {
    reporter.push(reportOf(batch, n, completed(n)))
    if (n % 10 === 9) await new Promise((resolve) => setImmediate(resolve))
  }
  await until('72 have their verdict', () => verdicts.size === 72, PATIENT)
  expect(reporter.unsettled.size).toBe(8)
})
