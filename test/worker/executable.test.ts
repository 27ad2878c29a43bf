import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Job } from '../../src/job/job.ts'
import { requestCancel } from '../../src/store/jobs.ts'
import { executableHandler } from '../../src/worker/executable.ts'
import type { Handler } from '../../src/worker/handler.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, type JobFields, jobOf } from '../support/factory.ts'
import { endOf, handlers, jobIn, type TestWorker, testWorker, until } from '../support/worker.ts'

const db = testDatabase()
let folder: string
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'programs-'))))
afterAll(() => rm(folder, { recursive: true, force: true }))

let programs = 0
async function program(text: string, fields: Partial<Handler> = {}): Promise<Handler> {
  const file = join(folder, `program-${programs++}`)
  await writeFile(file, text)
  await chmod(file, 0o755)
  return { ...executableHandler('program', file), ...fields }
}
const start = (handler: Handler, fields: object = {}) =>
  testWorker({ db: db.pool, connection: db.connection, handlers: handlers(handler), ...fields })

/** One worker for the programs of all tests: its handler is whichever program is tested. */
let shared: TestWorker
let sharedProgram: Handler
beforeAll(async () => {
  const run: Handler['run'] = (payload, job, lease) => sharedProgram.run(payload, job, lease)
  shared = await start({ type: 'shared', source: 'test', run }, { kept: true, listening: false })
})
afterAll(() => shared.stop({ graceMs: 0 }))

async function outcomeOf(text: string | Handler, fields: JobFields = {}) {
  sharedProgram = typeof text === 'string' ? await program(text) : text
  const id = await insertJob(db.pool, { type: 'shared', ...fields })
  const job = await jobIn(db.pool, id, ['completed', 'dead', 'cancelled', 'retrying', 'scheduled'])
  return { job, worker: shared }
}
const dueInMs = (job: Job) => Date.parse(job.runAt) - Date.now()
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
/** Dead, or a zombie that a container's first process has not yet collected. */
const gone = async (pid: number): Promise<boolean> =>
  !alive(pid) || /^State:\s+Z/m.test(await readFile(`/proc/${pid}/status`, 'utf8').catch(() => 'State: Z'))

describe('an executable handler', () => {
  test('gets its payload on standard input and answers with JSON whose digits are all kept', async () => {
    const worker = await start(await program('#!/bin/sh\ncat\n'))
    const id = await insertJob(db.pool, { type: 'program', state: 'scheduled', dueInMs: 60_000 })
    const digits = '{"n": 12345678901234567890.123456789012345678901234567890, "e": -0.10}'
    await db.sql(
      `update forgeq.jobs set payload = $2::text::jsonb, state = 'pending', run_at = clock_timestamp() where id = $1`,
      id,
      digits,
    )
    const job = await endOf(db.pool, id)
    expect(job.state).toBe('completed')
    expect(job.resultJson).toBe(job.payloadJson)
    expect(job.resultJson).toContain('12345678901234567890.123456789012345678901234567890')
    await worker.stop()
  })

  test('that prints nothing and exits with 0 completes without a result', async () => {
    expect((await outcomeOf('#!/bin/sh\nexit 0\n')).job).toMatchObject({ state: 'completed', resultJson: 'null' })
  })

  test('that exits with 65 makes its job dead, with what it said', async () => {
    const { job } = await outcomeOf('#!/bin/sh\necho no such address >&2\nexit 65\n')
    expect(job).toMatchObject({
      state: 'dead',
      reason: 'not retryable',
      error: { message: 'no such address\n(the program ended with exit code 65)' },
    })
  })

  test("that exits with 75 waits for the backoff's base, uncounted", async () => {
    const { job } = await outcomeOf('#!/bin/sh\nexit 75\n')
    expect(job).toMatchObject({ state: 'scheduled', attempt: 0 })
    expect(dueInMs(job)).toBeGreaterThan(4_000)
    expect(dueInMs(job)).toBeLessThanOrEqual(5_000)
  })

  test('that exits with anything else fails', async () => {
    const { job } = await outcomeOf('#!/bin/sh\necho first >&2\necho last >&2\nexit 3\n')
    expect(job).toMatchObject({
      state: 'retrying',
      error: { name: 'ProgramFailed', code: 'exit_3', message: 'first\nlast\n(the program ended with exit code 3)' },
    })
    expect(job.error?.stack).toBeUndefined()
  })

  test('that is killed by a signal fails and names the signal', async () => {
    const { job } = await outcomeOf('#!/bin/sh\nkill -9 $$\n')
    expect(job).toMatchObject({
      state: 'retrying',
      error: { code: 'SIGKILL', message: 'the program was ended by SIGKILL' },
    })
  })

  test('writes its standard error to the log of the job, control characters and all, a line each', async () => {
    const said = '\u001b]0;x\u0007 \u009b2J \rFAKE LOG \u2028 \u202e \u007f'
    const { job, worker } = await outcomeOf(
      `#!/bin/sh\nprintf '%s\\n' '${said}' >&2\nprintf 'no end of line' >&2\nexit 1\n`,
    )
    const lines = worker.log.filter((line) => line['stream'] === 'stderr' && line['job_id'] === job.id)
    expect(lines).toMatchObject([
      { msg: said, job_id: job.id, job_type: 'shared' },
      { msg: 'no end of line', job_id: job.id },
    ])
    expect(job.error?.message).toContain(said)
  })

  test.each([
    ['words', 'echo all is well'],
    ['half an object', `printf '{"a":'`],
    ['two values', `printf '1 2'`],
    ['a number that is too long', `printf 1e131071`],
  ])('that prints %s fails: that is no result', async (_, line) => {
    const { job } = await outcomeOf(`#!/bin/sh\n${line}\nexit 0\n`)
    expect(job).toMatchObject({
      state: 'retrying',
      error: { message: expect.stringContaining("the program's output is not a result") },
    })
  })

  test.each([
    ['2 MB', 2_000_000],
    ['50 MB', 50_000_000],
  ])('that prints %s completes, with a marker in place of the result', async (_, bytes) => {
    const { job } = await outcomeOf(`#!/bin/sh\nprintf '"'\nhead -c ${bytes - 2} /dev/zero | tr '\\0' x\nprintf '"'\n`)
    expect({ ...job, error: job.error?.message }).toMatchObject({ state: 'completed', attempt: 1, error: undefined })
    expect(JSON.parse(job.resultJson!)).toEqual({ forgeq_truncated: true, bytes })
  })

  test('need not read its payload, however large it is', async () => {
    const { job } = await outcomeOf('#!/bin/sh\nexec 0<&-\necho 1\n', { payload: 'x'.repeat(900_000) })
    expect(job).toMatchObject({ state: 'completed', resultJson: '1' })
  })

  test('keeps only the end of what it says in error, at a whole character', async () => {
    const { job } = await outcomeOf(
      `#!/bin/sh\ni=0\nwhile [ $i -lt 300 ]; do printf '🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁🦁' >&2; i=$((i+1)); done\nexit 1\n`,
    )
    expect(job.state).toBe('retrying')
    expect(job.error).toMatchObject({
      truncated: true,
      message: expect.stringMatching(/^🦁+\n\(the program ended with exit code 1\)$/u),
    })
  })

  test('is told in its environment which job it runs', async () => {
    const worker = await start(
      await program(
        `#!/bin/sh\nprintf '["%s","%s","%s","%s","%s"]' "$FORGEQ_JOB_ID" "$FORGEQ_JOB_TYPE" "$FORGEQ_ATTEMPT" "$FORGEQ_TOKEN" "$TRACEPARENT"\n`,
      ),
    )
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
    const id = await insertJob(db.pool, { type: 'program', state: 'scheduled', dueInMs: 60_000, attempt: 2, token: 5 })
    await db.sql(
      `update forgeq.jobs set traceparent = $2, state = 'pending', run_at = clock_timestamp() where id = $1`,
      id,
      traceparent,
    )
    expect(JSON.parse((await endOf(db.pool, id)).resultJson!)).toEqual([id, 'program', '3', '6', traceparent])
    await worker.stop()
  })

  test('that cannot be started fails with the reason', async () => {
    const { job } = await outcomeOf('not a program at all\n')
    expect(job).toMatchObject({ state: 'retrying', error: { message: expect.stringMatching(/ENOEXEC|exit code 127/) } })
    const { job: gone } = await outcomeOf(executableHandler('program', join(folder, 'gone')))
    expect(gone).toMatchObject({ state: 'retrying', error: { code: 'ENOENT' } })
  })
})

describe('an executable handler that is to end', () => {
  /** Writes its own pid and that of a child that hears nothing, then waits. */
  const family = (deaf: boolean, pids: string) =>
    `#!/bin/sh\n${deaf ? "trap '' TERM\n" : ''}sh -c "trap '' TERM; while true; do sleep 0.1; done" >/dev/null 2>&1 &\necho $$ $! > ${pids}.part\nmv ${pids}.part ${pids}\nwhile true; do sleep 0.1; done\n`
  const familyPids = (file: string) =>
    until('the program runs', async () => {
      const pids = (await readFile(file, 'utf8').catch(() => '')).trim().split(' ').map(Number)
      return pids.length === 2 ? pids : undefined
    })

  test('is told by SIGTERM at its timeout, and its children are killed with it', async () => {
    const pids = join(folder, 'pids-timeout')
    await start(await program(family(false, pids), { timeoutMs: 400 }))
    const id = await insertJob(db.pool, { type: 'program' })
    const both = await familyPids(pids)
    expect(await jobIn(db.pool, id, 'retrying')).toMatchObject({ error: { code: 'timeout' } })
    for (const pid of both) await until(`process ${pid} is gone`, () => gone(pid))
  })

  test('and does not hear SIGTERM is killed with its children', async () => {
    const pids = join(folder, 'pids-deaf')
    await start(await program(family(true, pids)), { heartbeatMs: 100 })
    const id = await insertJob(db.pool, { type: 'program' })
    const both = await familyPids(pids)
    await requestCancel(db.pool, id)
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'cancelled', attempt: 1 })
    for (const pid of both) await until(`process ${pid} is gone`, () => gone(pid))
  })

  test('because its worker shuts down is killed in time for its job to go back uncounted', async () => {
    const pids = join(folder, 'pids-shutdown')
    const worker = await start(await program(family(true, pids)))
    const id = await insertJob(db.pool, { type: 'program' })
    const both = await familyPids(pids)
    await worker.stop({ graceMs: 0 })
    expect(await jobOf(db.pool, id)).toMatchObject({
      state: 'pending',
      attempt: 0,
      attempts: [{ outcome: 'released' }],
    })
    for (const pid of both) await until(`process ${pid} is gone`, () => gone(pid))
  })

  test('by a cancel but exits with 0 all the same has completed', async () => {
    const ready = join(folder, 'trap-is-set')
    await start(
      await program(`#!/bin/sh\ntrap 'echo 7; exit 0' TERM\ntouch ${ready}\nwhile true; do sleep 0.05; done\n`),
      { heartbeatMs: 100 },
    )
    const id = await insertJob(db.pool, { type: 'program' })
    await until('the program has set its trap', () => existsSync(ready))
    await requestCancel(db.pool, id)
    expect(await endOf(db.pool, id)).toMatchObject({ state: 'completed', resultJson: '7' })
  })
})

test('ends with its program, although something that it left behind holds its output open', async () => {
  const startedAt = performance.now()
  const { job } = await outcomeOf(`#!/bin/sh
setsid sleep 20 &
echo '"done"'
`)
  expect(job).toMatchObject({ state: 'completed', resultJson: '"done"' })
  expect(performance.now() - startedAt).toBeLessThan(10_000)
})

test('whose program ends while the loop of its worker is blocked has read all that it said', async () => {
  const ready = join(folder, 'ready-to-end')
  const ran = outcomeOf(`#!/bin/sh\ntouch '${ready}'\nsleep 1.2\nprintf said\nprintf reason >&2\nexit 1\n`)
  await until('the program runs', () => existsSync(ready))
  const ranAt = Date.now()
  const blockUntil = (ms: number) =>
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.max(0, ranAt + ms - Date.now()))
  // One turn of the loop finds this data and the end of another child; while it reads the data, the program ends, whose
  // end it then is told before what it said, and the end of the other child after it.
  const pipe = createServer((socket) => socket.on('data', () => blockUntil(2_400))).listen(0, '127.0.0.1')
  await once(pipe, 'listening')
  const client = connect((pipe.address() as AddressInfo).port, '127.0.0.1')
  await once(pipe, 'connection')
  const other = spawn('sleep', ['0.1'], { stdio: 'ignore' })
  other.on('exit', () => blockUntil(3_200))
  await once(other, 'spawn')
  client.write('x')
  blockUntil(800)
  const { job } = await ran
  expect(job.error?.message).toBe('reason\n(the program ended with exit code 1)')
  client.destroy()
  pipe.close()
})
