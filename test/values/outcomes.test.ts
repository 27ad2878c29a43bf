import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { canonicalJson } from '../../src/job/json.ts'
import type { Job } from '../../src/job/job.ts'
import type { RunningJob } from '../../src/worker/handler.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, jobOf } from '../support/factory.ts'
import { gate, handler, handlers, type TestWorker, testWorker, until } from '../support/worker.ts'
import { JS_VALUES, type JsValue } from './js-values.ts'
import { THROWN_VALUES, type ThrownValue } from './thrown-values.ts'
import { WAYS, type Way } from './ways-to-settle.ts'

/** As many as the worker writes in one statement. */
const BATCH = 500

const db = testDatabase()
const open = gate()
let worker: TestWorker
const ended = new Map<string, Job>()

type Run = (job: RunningJob) => unknown
const returned = ({ make }: JsValue): Run => make
const thrown =
  ({ make }: ThrownValue): Run =>
  () => {
    throw make()
  }
/** What each job of the batch does; all the others return a number. */
const HOSTILE: [kind: string, name: string, run: Run][] = [
  ...JS_VALUES.map((value): [string, string, Run] => ['returned', value.name, returned(value)]),
  ...THROWN_VALUES.map((value): [string, string, Run] => ['thrown', value.name, thrown(value)]),
  ...WAYS.map((way): [string, string, Run] => ['settled', way.name, way.run]),
]
const GOOD = BATCH - HOSTILE.length

beforeAll(async () => {
  let running = 0
  worker = await testWorker({
    db: db.pool,
    connection: db.connection,
    concurrency: BATCH,
    abortGraceMs: 200,
    // A busy machine takes long for half a gigabyte.
    leaseMs: 120_000,
    stallLimitMs: 120_000,
    kept: true,
    handlers: handlers(
      ...HOSTILE.map(([kind, name, run]) =>
        handler(
          `${kind}-${HOSTILE.findIndex((one) => one[0] === kind && one[1] === name)}`,
          (_payload, job) => {
            running++
            return open.promise.then(() => run(job))
          },
          kind === 'settled' ? { timeoutMs: 120_000 } : {},
        ),
      ),
      handler('good', async ({ n }) => {
        running++
        await open.promise
        return { n }
      }),
    ),
  })
  const ids = await Promise.all(
    Array.from({ length: BATCH }, (_, n) => {
      const [kind] = HOSTILE[n] ?? []
      return insertJob(db.pool, { type: kind ? `${kind}-${n}` : 'good', payload: { n } })
    }),
  )
  await until('all of them run', () => running === BATCH, { withinMs: 60_000 })
  open.open()
  const left = new Set(ids)
  await until(
    'all of them have their outcome',
    async () => {
      const rows = await db.sql<{ id: string }>(`select id from forgeq.all_jobs where state <> 'running'`)
      for (const { id } of rows) left.delete(id)
      return left.size === 0
    },
    { withinMs: 120_000 },
  )
  const stored = await Promise.all(ids.map((id) => jobOf(db.pool, id)))
  for (const [n, job] of stored.entries()) {
    const [kind, name] = HOSTILE[n] ?? ['good', String(n)]
    ended.set(`${kind} ${name}`, job)
  }
}, 200_000)
afterAll(() => worker?.stop({ graceMs: 0 }))

test(`${GOOD} jobs that ended in the same turn as ${HOSTILE.length} hostile ones are completed as they were`, () => {
  for (let n = HOSTILE.length; n < BATCH; n++) {
    expect(ended.get(`good ${n}`)).toMatchObject({ state: 'completed', attempt: 1, resultJson: `{"n": ${n}}` })
  }
})

test('no outcome had to be written again, and none came as a surprise to the store', () => {
  expect(worker.log.filter(({ msg }) => /could not be stored|were not answered/.test(String(msg)))).toEqual([])
})

/** As text: a comparison of what lies 2,000 deep would go down as deep. */
const inOrder = (value: unknown): string => canonicalJson(JSON.stringify(value))

describe('a handler that returns', () => {
  test.each(JS_VALUES)('$name completes its job, with the value or a mark in its place', ({ name, returned }) => {
    const job = ended.get(`returned ${name}`)!
    expect(job).toMatchObject({ state: 'completed', attempt: 1 })
    const result = JSON.parse(job.resultJson!) as unknown
    if ('json' in returned) expect(inOrder(result)).toBe(inOrder(returned.json))
    else {
      const { truncated: bytes } = returned
      expect(result).toEqual({ forgeq_truncated: true, ...(bytes !== undefined && { bytes }) })
    }
  })
})

describe('a handler that throws', () => {
  test.each(THROWN_VALUES)('$name fails its run with an error that can be read', ({ name, error, state }) => {
    const job = ended.get(`thrown ${name}`)!
    expect(job).toMatchObject({ state: state ?? 'retrying', attempt: 1 })
    const { message, stack, ...more } = error
    expect(job.error).toMatchObject(more)
    if (typeof message === 'string') expect(job.error!.message).toBe(message)
    else expect(job.error!.message).toMatch(message)
    if (stack) expect(job.error!.stack).toMatch(stack)
    expect(job.error!.truncated).toBe(error.truncated)
    expect(Buffer.byteLength(JSON.stringify(job.error))).toBeLessThan(40_000)
    expect(job.attempts).toMatchObject([{ attempt: 1, outcome: state === 'dead' ? 'dead' : 'failed' }])
  })
})

describe('a handler whose promise', () => {
  test.each(WAYS)('$name has one outcome', ({ name, becomes }: Way) => {
    const job = ended.get(`settled ${name}`)!
    if ('json' in becomes) {
      expect(job).toMatchObject({ state: 'completed', attempt: 1 })
      expect(JSON.parse(job.resultJson!)).toEqual(becomes.json)
    } else expect(job).toMatchObject({ state: 'retrying', attempt: 1, error: becomes.error })
  })
})
