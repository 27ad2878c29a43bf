import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, describe, expect, test } from 'vitest'
import type { runIsolated } from '../../src/worker/isolated/run-isolated.ts'
import type { Lease } from '../../src/worker/lease.ts'
import { loadHandlers } from '../../src/worker/load-handlers.ts'
import { Run } from '../../src/worker/run.ts'
import { noteSuspect } from '../../src/store/quarantine.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, insertSession, jobOf } from '../support/factory.ts'
import { endOf, gate, handler, handlers, jobIn, testWorker, until, untilAborted } from '../support/worker.ts'

const db = testDatabase()
const folders: string[] = []
afterEach(() => Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true }))))

/** A worker that serves one type by a module with this text. */
async function moduleWorker(type: string, text: string, fields: Partial<Parameters<typeof testWorker>[0]> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'handlers-'))
  folders.push(folder)
  await writeFile(join(folder, `${type}.ts`), text)
  return testWorker({ db: db.pool, connection: db.connection, handlers: await loadHandlers(folder), ...fields })
}
const suspect = (type: string, fields: Parameters<typeof insertJob>[1] = {}) =>
  insertJob(db.pool, { type, lost: 1, attempt: 1, ...fields })
const leaseOf = async (id: string) =>
  (await db.sql<{ token: number }>(`select token::int as token from forgeq.jobs where id = $1`, id))[0]!
const lives = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('a job that was lost before, with a handler module', () => {
  test('runs in a process of its own, with everything that a handler has', async () => {
    const id = await suspect('apart', { payload: { n: 7 }, tags: ['x'], maxAttempts: 9 })
    const worker = await moduleWorker(
      'apart',
      `export default async (payload: { n: number }, job) => {
         job.log.info({ seen: payload.n }, 'from the child')
         await job.progress(0.5, 'half')
         const { id, type, queue, attempt, maxAttempts, token, tags, createdAt } = job
         return { pid: process.pid, n: payload.n, job: { id, type, queue, attempt, maxAttempts, token, tags, createdAt } }
       }`,
    )
    const job = await endOf(db.pool, id)
    const result = JSON.parse(job.resultJson!) as { pid: number; n: number; job: unknown }
    expect(job).toMatchObject({ state: 'completed', attempt: 2, lost: 1 })
    expect(result).toMatchObject({
      n: 7,
      job: {
        id,
        type: 'apart',
        queue: 'default',
        attempt: 2,
        maxAttempts: 9,
        token: 2,
        tags: ['x'],
        createdAt: job.createdAt,
      },
    })
    expect(result.pid).not.toBe(process.pid)
    expect(worker.log).toContainEqual(
      expect.objectContaining({ msg: 'from the child', seen: 7, job_id: id, level: 30 }),
    )
    await until('its progress is there', async () => (await jobOf(db.pool, id)).progress ?? true)
    await until('the child is gone', () => !lives(result.pid))
  })

  test('is followed by the next one in the same process, unless it has left something open there', async () => {
    await moduleWorker(
      'following',
      `export default ({ leaves }) => { if (leaves) setTimeout(() => process.exit(1), 300); return process.pid }`,
      { concurrency: 1 },
    )
    const pidOf = async (leaves: boolean) =>
      (await endOf(db.pool, await suspect('following', { payload: { leaves } }))).resultJson
    const first = await pidOf(false)
    expect(await pidOf(false)).toBe(first)
    const leaving = await pidOf(true)
    const next = await pidOf(false)
    expect(next).not.toBe(leaving)
    await new Promise((resolve) => setTimeout(resolve, 400))
  })

  test('pays nothing for the end of a process that ran another job before, and runs again in one of its own', async () => {
    const worker = await moduleWorker(
      'after',
      `let jobs = 0
       export default ({ harms }) => {
         if (harms) setTimeout(() => process.exit(1), 600).unref()
         else if (jobs > 0) return new Promise(() => setInterval(() => {}, 1_000))
         jobs++
         return process.pid
       }`,
      { concurrency: 1, polling: true }, // the next one starts before the first has done its harm
    )
    const harming = await endOf(db.pool, await suspect('after', { payload: { harms: true } }))
    const next = await endOf(db.pool, await suspect('after', { payload: { harms: false } }))
    expect(next).toMatchObject({ state: 'completed', lost: 1, attempt: 2 })
    expect(next.resultJson).not.toBe(harming.resultJson)
    expect(worker.log).toContainEqual(
      expect.objectContaining({ msg: expect.stringContaining('another job before') as string, job_id: next.id }),
    )
  })

  test('the built product too takes the process of the last one', async () => {
    const built = new URL('../../dist/worker/isolated/run-isolated.js', import.meta.url).href
    const { runIsolated: run } = (await import(built)) as { runIsolated: typeof runIsolated }
    const folder = await mkdtemp(join(tmpdir(), 'handlers-'))
    folders.push(folder)
    const source = join(folder, 'pid.js')
    await writeFile(source, 'export default () => process.pid')
    const pid = async () => {
      const session = { id: 's', worker: { id: 's', name: 'w' }, lost: false }
      const lease = {
        id: 'j',
        token: 1,
        queue: 'default',
        type: 'pid',
        payloadJson: '{}',
        attempt: 1,
        session,
      } as Lease
      const mine = new Run(lease, { timeoutMs: 60_000, abortGraceMs: 1_000, isolated: true })
      const result = await run({ ...handler('pid', () => 0), source }, mine, {
        maxResultBytes: 1_000,
        keeping: { completedMs: 60_000, cancelledMs: 60_000, deadMs: 60_000, idempotencyMs: 60_000 },
        stallLimitMs: 60_000,
        log: pino({ level: 'silent' }),
        progress: () => {},
      })
      return result.kind === 'completed' ? result.resultJson : result
    }
    const first = await pid()
    expect(first).toEqual(expect.any(String))
    expect(await pid()).toBe(first)
    expect(await pid()).toBe(first)
  })

  test('one that was never lost runs in the worker', async () => {
    const id = await insertJob(db.pool, { type: 'here' })
    await moduleWorker('here', `export default () => process.pid`)
    expect((await endOf(db.pool, id)).resultJson).toBe(String(process.pid))
  })

  test('throws, snoozes and gives up as in the worker', async () => {
    await moduleWorker(
      'outcomes',
      `import { snooze, nonRetryable } from ${JSON.stringify(join(import.meta.dirname, '../../src/job/handler-signals.ts'))}
       export default ({ how }: { how: string }) => {
         if (how === 'throw') throw Object.assign(new TypeError('no'), { code: 'e_no' })
         if (how === 'snooze') throw snooze('1h')
         throw nonRetryable('never')
       }`,
    )
    const ask = (how: string) => suspect('outcomes', { payload: { how } })
    expect(await jobIn(db.pool, await ask('throw'), 'retrying')).toMatchObject({
      lost: 1,
      attempt: 2,
      error: { name: 'TypeError', message: 'no', code: 'e_no', stack: expect.stringContaining('outcomes.ts') },
    })
    expect(await jobIn(db.pool, await ask('snooze'), 'scheduled')).toMatchObject({ lost: 1, attempt: 1 })
    expect(await jobIn(db.pool, await ask('dead'), 'dead')).toMatchObject({ lost: 1, reason: 'not retryable' })
  })

  test.each([
    ['exits', 'process.exit(3)', 'exit_3'],
    ['aborts', 'process.abort()', 'SIGABRT'],
    ['leaves a rejection to nobody', 'void Promise.reject(new Error("x")); await new Promise(() => {})', 'exit_1'],
  ])('one that %s pays for it and takes nobody down', async (how, code, told) => {
    const type = `crash_${how.split(' ')[0]}`
    const [crashing, beside] = [await suspect(type), await suspect(type, { payload: { hold: true }, lost: 1 })]
    await moduleWorker(
      type,
      `export default async ({ hold }) => { if (hold) return new Promise((resolve) => setTimeout(() => resolve(1), 1500)); ${code} }`,
    )
    const job = await jobIn(db.pool, crashing, 'retrying')
    expect(job).toMatchObject({ attempt: 2, lost: 2, error: { code: told } })
    // A process that ran another test's job before is nobody's fault.
    expect(job.attempts?.filter(({ outcome }) => outcome !== 'released')).toMatchObject([
      { outcome: 'lost', attempt: 2, error: { name: 'ProcessLost' } },
    ])
    await db.sql(`update forgeq.jobs set state = 'pending', run_at = clock_timestamp() where id = $1`, crashing)
    expect(await endOf(db.pool, crashing)).toMatchObject({ state: 'dead', reason: 'lost', lost: 3, attempt: 3 })
    expect(await endOf(db.pool, beside)).toMatchObject({ state: 'completed', lost: 1 })
  })

  test('one that never lets its process answer is given up at the stall limit', async () => {
    const id = await suspect('endless')
    await moduleWorker('endless', `export default () => { for (;;); }`, { stallLimitMs: 2_500 })
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject({ lost: 2, error: { code: 'stalled' } })
  })

  test('is asked to end by its signal, and killed when it does not', async () => {
    const polite = await suspect('polite', { payload: { polite: true } })
    await moduleWorker(
      'polite',
      `export default ({ polite }, job) => new Promise((resolve, reject) => {
         if (polite) job.signal.addEventListener('abort', () => resolve(job.signal.reason.reason))
         setInterval(() => job.progress(1), 200)
       })`,
      { abortGraceMs: 300 },
    )
    const stubborn = await suspect('polite', { payload: { polite: false } })
    for (const id of [polite, stubborn])
      await until('its handler runs', async () => (await jobOf(db.pool, id)).progress !== undefined)
    await db.sql(`update forgeq.jobs set cancel_requested_at = clock_timestamp() where id = any ($1)`, [
      polite,
      stubborn,
    ])
    expect(await endOf(db.pool, polite)).toMatchObject({ state: 'completed', resultJson: '"cancelled"' })
    expect(await endOf(db.pool, stubborn)).toMatchObject({ state: 'cancelled' })
  })

  test('one past its timeout is killed and has failed, and its slot is free', async () => {
    const id = await suspect('slow')
    await db.sql(`update forgeq.jobs set timeout_ms = 1500 where id = $1`, id)
    const worker = await moduleWorker('slow', `export default () => new Promise(() => setInterval(() => {}, 1000))`, {
      abortGraceMs: 200,
      concurrency: 1,
    })
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject({ lost: 1, error: { code: 'timeout' } })
    expect(worker.log.map(({ msg }) => msg)).not.toContainEqual(expect.stringContaining('stuck'))
    const next = await suspect('slow')
    await jobIn(db.pool, next, 'running')
  })

  test('may send what it likes to its worker', async () => {
    const id = await suspect('talkative')
    await moduleWorker(
      'talkative',
      `export default () => { for (const message of [null, 1, 'x', {}, { kind: 'log', line: 'ready' }, { kind: 'result', result: 7 }]) process.send(message); return 'heard' }`,
    )
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', resultJson: '"heard"' })
  })

  test('waits uncounted while no process can be started', async () => {
    await new Promise((resolve) => setTimeout(resolve, 1_500)) // those of other tests have ended
    const node = process.execPath
    const id = await suspect('unstartable')
    try {
      process.execPath = '/nowhere/node'
      await moduleWorker('unstartable', `export default () => 1`)
      expect(await jobIn(db.pool, id, 'scheduled')).toMatchObject({ attempt: 1, lost: 1 })
    } finally {
      process.execPath = node
    }
  })

  test('goes back uncounted when the worker stops, and no child is left', async () => {
    const pids = join(await mkdtemp(join(tmpdir(), 'pids-')), 'pid')
    folders.push(join(pids, '..'))
    const id = await suspect('staying')
    const worker = await moduleWorker(
      'staying',
      `import { writeFileSync } from 'node:fs'
       export default () => { writeFileSync(${JSON.stringify(pids)}, String(process.pid)); return new Promise(() => setInterval(() => {}, 1000)) }`,
    )
    const { readFile } = await import('node:fs/promises')
    const pid = Number(await until('it runs', () => readFile(pids, 'utf8').catch(() => '')))
    await worker.stop({ graceMs: 0 })
    expect(await jobOf(db.pool, id)).toMatchObject({ state: 'pending', attempt: 1, lost: 1 })
    await until('the child is gone', () => !lives(pid))
  })
})

describe('a job that was lost before, with a handler in code', () => {
  test('runs with no other suspect in the worker, beside jobs that were never lost, and is noted before it starts', async () => {
    let together = 0
    let most = 0
    const noted: boolean[] = []
    const others: string[] = []
    const suspects = await Promise.all(Array.from({ length: 4 }, () => suspect('inline')))
    const fresh = await Promise.all(Array.from({ length: 4 }, () => insertJob(db.pool, { type: 'inline' })))
    await testWorker({
      db: db.pool,
      connection: db.connection,
      handlers: handlers(
        handler('inline', async (_, job) => {
          if (!suspects.includes(job.id)) return others.push(job.id)
          most = Math.max(most, ++together)
          const [row] = await db.sql<{ noted: boolean }>(
            `select quarantine_token = token as noted from forgeq.jobs where id = $1`,
            job.id,
          )
          noted.push(row!.noted)
          await new Promise((resolve) => setTimeout(resolve, 50))
          together--
          return 1
        }),
      ),
    })
    for (const id of [...fresh, ...suspects])
      expect(await endOf(db.pool, id, { withinMs: 25_000 })).toMatchObject({ state: 'completed' })
    expect(most).toBe(1)
    expect(noted).toEqual([true, true, true, true])
    expect(others).toHaveLength(4)
  })

  test('leaves suspects that would have to wait to other workers, uncounted', async () => {
    const [first, second] = [await suspect('waiting'), await suspect('waiting')]
    const started = gate<string>()
    await testWorker({
      db: db.pool,
      connection: db.connection,
      handlers: handlers(
        handler('waiting', (_, job) => {
          started.open(job.id)
          return untilAborted(job.signal)
        }),
      ),
    })
    const other = (await started.promise) === first ? second : first
    expect(await jobIn(db.pool, other, 'pending')).toMatchObject({ attempt: 1, lost: 1 })
    const { token } = await leaseOf(other)
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    // Left alone while there is no room for it here, but for a look now and then.
    expect((await leaseOf(other)).token - token).toBeLessThanOrEqual(1)
  })
})

test('a suspect is noted under its lease only', async () => {
  const session = await insertSession(db.pool)
  const id = await insertJob(db.pool, { state: 'running', session, lost: 1, token: 3 })
  expect(await noteSuspect(db.pool, { id, token: 2, sessionId: session })).toBe(false)
  expect(await noteSuspect(db.pool, { id, token: 3, sessionId: await insertSession(db.pool) })).toBe(false)
  const expired = await insertSession(db.pool, { expiresInMs: -1 })
  const late = await insertJob(db.pool, { state: 'running', session: expired, lost: 1 })
  expect(await noteSuspect(db.pool, { id: late, token: 1, sessionId: expired })).toBe(false)
  expect(await noteSuspect(db.pool, { id, token: 3, sessionId: session })).toBe(true)
})
