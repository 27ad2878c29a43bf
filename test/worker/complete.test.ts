import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { uuidv7 } from 'uuidv7'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { snooze } from '../../src/job/handler-signals.ts'
import { createRecovery } from '../../src/loops/recovery.ts'
import { createJobQueue } from '../../src/queue/create.ts'
import type { CallerTransaction } from '../../src/store/caller-transaction.ts'
import type { DatabasePool } from '../../src/store/database.ts'
import type { Handler, RunningJob } from '../../src/worker/handler.ts'
import { loadHandlers } from '../../src/worker/load-handlers.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, type JobFields, jobOf } from '../support/factory.ts'
import { loopContext } from '../support/loops.ts'
import { watched } from '../support/watched.ts'
import { endOf, gate, handler, handlers, jobIn, testWorker, until, untilAborted } from '../support/worker.ts'

const db = testDatabase()
let clients: pg.Pool
const taken = new Set<pg.PoolClient>()

beforeAll(async () => {
  const { host, port, user, password, database } = db.connection
  clients = new pg.Pool({ host, port, database, user: user!, password: password!, max: 20 })
  clients.on('error', () => {})
  await db.sql('create table effects (job uuid not null, token bigint not null)')
})
/** What a handler has left open ends with its client. */
afterEach(() => {
  for (const client of taken) client.release(true)
  taken.clear()
})
afterAll(() => clients.end())

const effectsOf = async (id: string) => (await db.sql('select from effects where job = $1', id)).length

/** A client of the handler's own whose transaction has begun and has written something. */
async function begun({ id, token }: RunningJob): Promise<pg.PoolClient> {
  const client = await clients.connect()
  client.on('error', () => {})
  taken.add(client)
  await client.query('begin')
  await client.query('insert into effects values ($1, $2)', [id, token])
  return client
}

const start = (all: Handler[], fields: object = {}) =>
  testWorker({ db: db.pool, connection: db.connection, handlers: handlers(...all), ...fields })

/** A worker whose one handler does this, and a job of it. */
async function running(
  run: (job: RunningJob) => unknown,
  {
    handled = {},
    job = {},
    ...fields
  }: { handled?: Partial<Handler>; job?: JobFields; abortGraceMs?: number; db?: DatabasePool } = {},
) {
  const type = uuidv7()
  const worker = await start([handler(type, (_payload, one) => run(one), handled)], fields)
  const id = await insertJob(db.pool, { type, ...job })
  const told = (msg: string | RegExp) =>
    until(`the log says ${msg} of the job`, () =>
      worker.log.find((line) => line['job_id'] === id && new RegExp(msg).test(String(line['msg']))),
    )
  return { id, worker, told }
}

const notCommitted = (message: RegExp) => ({
  state: 'retrying',
  attempt: 1,
  error: { name: 'NotCommitted', code: 'not_committed', message: expect.stringMatching(message) as string },
})

describe('a handler that completes its job in a transaction of its own', () => {
  test.each<[string, JobFields]>([
    ['without a key', {}],
    ['with a key', { key: 'k' }],
  ])('has done both with the commit, its writes and the job: %s', async (_what, job) => {
    const { id, told } = await running(
      async (one) => {
        const tx = await begun(one)
        await one.complete(tx, { paid: true })
        await tx.query('commit')
        return 'not stored'
      },
      { job },
    )
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', resultJson: '{"paid": true}', attempt: 1 })
    expect(await effectsOf(id)).toBe(1)
    expect(await told('completed in a transaction of its handler')).not.toHaveProperty('error')
  })

  test('is stored as completed when it throws after the commit, which the log tells', async () => {
    const { id, told } = await running(async (job) => {
      const tx = await begun(job)
      await job.complete(tx)
      await tx.query('commit')
      throw new Error('after the end')
    })
    expect(await told('completed in a transaction of its handler')).toMatchObject({ error: 'after the end' })
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'completed', resultJson: 'null' })
    expect(await effectsOf(id)).toBe(1)
  })

  test.each<[string, () => unknown, object]>([
    [
      'fails as it throws',
      () => new Error('card declined'),
      { state: 'retrying', error: { message: 'card declined' } },
    ],
    ['is snoozed as it says', () => snooze('1h'), { state: 'scheduled', attempt: 0 }],
  ])('%s when it has rolled back', async (_what, thrown, becomes) => {
    const { id } = await running(async (job) => {
      const tx = await begun(job)
      await job.complete(tx)
      await tx.query('rollback')
      throw thrown()
    })
    expect(await jobIn(db.pool, id, ['retrying', 'scheduled'])).toMatchObject(becomes)
    expect(await effectsOf(id)).toBe(0)
  })

  test('has failed when it returns after a rollback', async () => {
    const { id } = await running(async (job) => {
      const tx = await begun(job)
      await job.complete(tx)
      await tx.query('rollback')
      return 'all good'
    })
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject(notCommitted(/its transaction was not committed/))
    expect(await effectsOf(id)).toBe(0)
  })

  test('is dead after a rollback when attempts are spent', async () => {
    const { id } = await running(
      async (job) => {
        const tx = await begun(job)
        await job.complete(tx)
        await tx.query('rollback')
      },
      { job: { maxAttempts: 1 } },
    )
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'dead', reason: 'attempts spent' })
  })

  test('has failed when its connection broke before the commit', async () => {
    const { id } = await running(async (job) => {
      const tx = await begun(job)
      await job.complete(tx)
      await db.sql('select pg_terminate_backend($1)', (tx as unknown as { processID: number }).processID)
      await tx.query('commit')
    })
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject({ attempt: 1 })
    expect(await effectsOf(id)).toBe(0)
  })

  test('stores a result as a returned one: made storable, and replaced where it is too large', async () => {
    const circular: Record<string, unknown> = { text: 'a\0b', big: 10n }
    circular['self'] = circular
    const results = [circular, 'x'.repeat(2_000_000)]
    const type = uuidv7()
    await start([
      handler(type, async ({ n }, job) => {
        const tx = await begun(job)
        await job.complete(tx, results[n!])
        await tx.query('commit')
      }),
    ])
    const ids = [
      await insertJob(db.pool, { type, payload: { n: 0 } }),
      await insertJob(db.pool, { type, payload: { n: 1 } }),
    ]
    const [first, second] = await Promise.all(
      ids.map(async (id) => JSON.parse((await endOf(db.pool, id)).resultJson!) as unknown),
    )
    expect(first).toEqual({ text: 'a\ufffdb', big: 10, self: '[circular]' })
    expect(second).toEqual({ forgeq_truncated: true, bytes: 2_000_002 })
  })

  test('lets its completion stand although somebody asked to cancel, and after its time was over', async () => {
    for (const reason of ['cancelled', 'timeout']) {
      const { id } = await running(
        async (job) => {
          if (reason === 'cancelled') await createJobQueue(db.pool, DEFAULTS).jobs.cancel(job.id)
          await untilAborted(job.signal).catch(() => {})
          const tx = await begun(job)
          await job.complete(tx, reason)
          await tx.query('commit')
          throw job.signal.reason as Error
        },
        { handled: reason === 'timeout' ? { timeoutMs: 100 } : {} },
      )
      expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', resultJson: `"${reason}"` })
      expect(await effectsOf(id)).toBe(1)
    }
  })
})

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

describe('a call of complete() that is refused', () => {
  test.each<[string, (job: RunningJob) => Promise<unknown>]>([
    ['nothing', () => Promise.resolve(undefined)],
    ['a number', () => Promise.resolve(5)],
    ['a pool', () => Promise.resolve(clients)],
    ['a client on which nothing has begun', () => clients.connect().then((client) => (taken.add(client), client))],
    [
      'something over a pool that does not tell',
      () => Promise.resolve({ query: (text: string, values: unknown[]) => clients.query(text, values) }),
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

test('runs are counted by what became of them', async () => {
  const { id, worker, told } = await running(async (job) => {
    const tx = await begun(job)
    await job.complete(tx)
    await tx.query('commit')
  })
  await told('completed in a transaction')
  expect(await jobOf(db.pool, id)).toMatchObject({ state: 'completed' })
  expect(await worker.metricsText()).toMatch(/forgeq_outcomes_total\{[^}]*outcome="completed"[^}]*\} 1/)
})

describe('a handler in a process of its own', () => {
  let folder: string
  beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'handlers-'))))
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const text = (ending: string) => `
    import pg from ${JSON.stringify(import.meta.resolve('pg'))}
    export default async (_payload, job) => {
      const tx = new pg.Client({ connectionString: ${JSON.stringify(db.url)} })
      await tx.connect()
      await tx.query('begin')
      await tx.query('insert into effects values ($1, $2)', [job.id, job.token])
      await job.complete(tx, { pid: process.pid })
      ${ending}
    }`

  test.each<[string, string, object]>([
    ['commits', `await tx.query('commit')`, { state: 'completed' }],
    ['dies after the commit', `await tx.query('commit'); process.exit(3)`, { state: 'completed' }],
    ['rolls back', `await tx.query('rollback')`, { state: 'retrying', lost: 1, error: { code: 'not_committed' } }],
    ['dies before the commit', 'process.exit(3)', { state: 'retrying', lost: 2, error: { code: 'exit_3' } }],
  ])('completes its job as in the worker: %s', async (what, ending, becomes) => {
    const type = what.replaceAll(' ', '_')
    await writeFile(join(folder, `${type}.ts`), text(ending))
    await testWorker({ db: db.pool, connection: db.connection, handlers: await loadHandlers(folder) })
    const id = await insertJob(db.pool, { type, lost: 1, attempt: 1 })
    const job = await jobIn(db.pool, id, ['completed', 'retrying'])
    expect(job).toMatchObject({ attempt: 2, ...becomes })
    expect(await effectsOf(id)).toBe(job.state === 'completed' ? 1 : 0)
    if (job.state === 'completed') expect((JSON.parse(job.resultJson!) as { pid: number }).pid).not.toBe(process.pid)
  })
})
