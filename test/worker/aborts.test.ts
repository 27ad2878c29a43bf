import { describe, expect, test } from 'vitest'
import { snooze } from '../../src/job/handler-signals.ts'
import { createRecovery } from '../../src/loops/recovery.ts'
import { requestCancel } from '../../src/store/jobs.ts'
import { listSessions } from '../../src/store/sessions.ts'
import type { Handler } from '../../src/worker/handler.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, jobOf } from '../support/factory.ts'
import { loopContext } from '../support/loops.ts'
import { endOf, gate, handler, handlers, jobIn, testWorker, until, untilAborted } from '../support/worker.ts'

const db = testDatabase()
const start = (all: Handler[], fields: object = {}) =>
  testWorker({ db: db.pool, connection: db.connection, handlers: handlers(...all), ...fields })
const statusOf = async (id: string) => (await listSessions(db.pool, id))[0]?.status
const cancel = async (id: string) => expect(await requestCancel(db.pool, id)).toBe(true)

describe('a handler that exceeds its timeout', () => {
  test('is aborted with the reason `timeout`, and its run is a failure', async () => {
    let reason: unknown
    await start([
      handler(
        'slow',
        (_, job) =>
          untilAborted(job.signal)
            .catch((error) => (reason = error))
            .then(() => Promise.reject(reason)),
        {
          timeoutMs: 150,
        },
      ),
    ])
    const id = await insertJob(db.pool, { type: 'slow' })
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject({
      attempt: 1,
      error: { name: 'AbortError', code: 'timeout', message: 'exceeded its timeout of 150 ms' },
    })
    expect(reason).toMatchObject({ name: 'AbortError', reason: 'timeout' })
  })

  test('fails also when it returns a value after the abort', async () => {
    await start([handler('slow', (_, job) => untilAborted(job.signal).catch(() => 'too late'), { timeoutMs: 150 })])
    const id = await insertJob(db.pool, { type: 'slow' })
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject({ error: { code: 'timeout' } })
  })

  test('is given the timeout of the job itself before that of its definition', async () => {
    await start([handler('slow', (_, job) => untilAborted(job.signal), { timeoutMs: 3_600_000 })])
    const id = await insertJob(db.pool, { type: 'slow', state: 'scheduled', dueInMs: 60_000 })
    await db.sql(
      `update forgeq.jobs set timeout_ms = 100, state = 'pending', run_at = clock_timestamp() where id = $1`,
      id,
    )
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject({ error: { message: 'exceeded its timeout of 100 ms' } })
  })

  test('and goes on past its grace leaves a failure, a stuck slot and a late value that changes nothing', async () => {
    const end = gate<string>()
    const worker = await start([handler('deaf', () => end.promise, { timeoutMs: 100 })], {
      abortGraceMs: 200,
      concurrency: 2,
    })
    const id = await insertJob(db.pool, { type: 'deaf', maxAttempts: 1 })
    expect(await endOf(db.pool, id)).toMatchObject({
      state: 'dead',
      reason: 'attempts spent',
      error: { code: 'timeout' },
    })
    await until('its status is stuck', async () => (await statusOf(worker.id)) === 'stuck')
    expect(await worker.metricsText()).toContain('forgeq_slots{state="stuck"} 1')
    end.open('late')
    await until('its status is active again', async () => (await statusOf(worker.id)) === 'active')
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'dead', attempts: [{ attempt: 1, outcome: 'dead' }] })
  })

  test('ends a worker that has only stuck slots left, when the process is its own', async () => {
    const end = gate()
    const worker = await start([handler('deaf', () => end.promise, { timeoutMs: 50 })], {
      abortGraceMs: 50,
      concurrency: 2,
      exclusiveProcess: true,
    })
    for (let n = 0; n < 2; n++) await insertJob(db.pool, { type: 'deaf', maxAttempts: 1 })
    expect(await worker.ended).toBe('every slot is stuck')
    end.open()
  })

  test('does not run a second time in the same worker while the first run goes on', async () => {
    const end = gate()
    let at = 0
    let most = 0
    const worker = await start(
      [
        handler(
          'deaf',
          async () => {
            most = Math.max(most, ++at)
            await end.promise
            at--
          },
          { timeoutMs: 50, backoff: { kind: 'fixed', baseMs: 1, capMs: 1, jitter: 0 } },
        ),
      ],
      { abortGraceMs: 50 },
    )
    const id = await insertJob(db.pool, { type: 'deaf' })
    await jobIn(db.pool, id, 'retrying')
    await db.sql(`update forgeq.jobs set state = 'pending', run_at = clock_timestamp() where id = $1`, id)
    const again = await jobIn(db.pool, id, 'scheduled')
    expect(again).toMatchObject({ attempt: 1 })
    expect(most).toBe(1)
    end.open()
    await until('the slot is free', async () => (await worker.metricsText()).includes('forgeq_slots{state="stuck"} 0'))
  })
})

describe('a job that is cancelled while it runs', () => {
  const runs: [string, (signal: AbortSignal) => Promise<unknown>, string][] = [
    ['returns a value all the same', (signal) => untilAborted(signal).catch(() => 'done'), 'completed'],
    ['throws', (signal) => untilAborted(signal), 'cancelled'],
    ['snoozes', (signal) => untilAborted(signal).catch(() => Promise.reject(snooze('1h'))), 'cancelled'],
  ]
  test.each(runs)('whose handler %s', async (_, run, state) => {
    let reason: unknown
    await start([
      handler('asked', (_payload, job) => {
        job.signal.addEventListener('abort', () => (reason = job.signal.reason))
        return run(job.signal)
      }),
    ])
    const id = await insertJob(db.pool, { type: 'asked' })
    await jobIn(db.pool, id, 'running')
    await cancel(id)
    const job = await endOf(db.pool, id, { withinMs: 5_000 })
    expect(job).toMatchObject({ state, attempt: 1 })
    expect(job.reason).toBe(state === 'cancelled' ? 'cancelled' : undefined)
    expect(reason).toMatchObject({ reason: 'cancelled' })
  })

  test('ends cancelled when its worker is stopped and lets it go', async () => {
    const worker = await start([handler('asked', (_, job) => untilAborted(job.signal))], { heartbeatMs: 2_900 })
    const id = await insertJob(db.pool, { type: 'asked' })
    await jobIn(db.pool, id, 'running')
    await cancel(id)
    await worker.stop({ graceMs: 0 })
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'cancelled', reason: 'cancelled' })
  })

  test('ends cancelled when its worker is lost', async () => {
    const end = gate()
    const worker = await start([handler('asked', () => end.promise)], { leaseMs: 60_000, heartbeatMs: 20_000 })
    const id = await insertJob(db.pool, { type: 'asked' })
    await jobIn(db.pool, id, 'running')
    await cancel(id)
    await db.sql(`update forgeq.sessions set expires_at = clock_timestamp() - interval '1 s' where id = $1`, worker.id)
    await createRecovery(loopContext(db.pool)).runOnce()
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'cancelled', lost: 1, error: { code: 'lease_expired' } })
    end.open()
  })

  test('ends cancelled when its handler hears nothing and its time is over', async () => {
    const end = gate()
    await start([handler('deaf', () => end.promise, { timeoutMs: 600 })], { abortGraceMs: 100 })
    const id = await insertJob(db.pool, { type: 'deaf' })
    await jobIn(db.pool, id, 'running')
    await cancel(id)
    expect(await endOf(db.pool, id, { withinMs: 3_000 })).toMatchObject({ state: 'cancelled' })
    end.open()
  })

  test('ends cancelled without having run when it lay in the buffer', async () => {
    const hold = gate()
    const ran: string[] = []
    await start(
      [
        handler('fast', async (payload, job) => {
          ran.push(job.id)
          if (payload.hold) await hold.promise
        }),
      ],
      { concurrency: 1 },
    )
    // Fast runs first, so that there is a buffer; then one that holds the only slot.
    for (let n = 0; n < 5; n++) await endOf(db.pool, await insertJob(db.pool, { type: 'fast' }))
    const holding = await insertJob(db.pool, { type: 'fast', payload: { hold: true } })
    await until('the slot is taken', () => ran.includes(holding))
    const id = await insertJob(db.pool, { type: 'fast' })
    await jobIn(db.pool, id, 'running')
    await cancel(id)
    const job = await endOf(db.pool, id, { withinMs: 5_000 })
    expect(job).toMatchObject({ state: 'cancelled', reason: 'cancelled', attempt: 0, attempts: [] })
    expect(ran).not.toContain(id)
    hold.open()
    await endOf(db.pool, holding)
  })
})
