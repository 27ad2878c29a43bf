import { expect, test } from 'vitest'
import { cli } from './cli.ts'
import { end, fakeApp, figuresOf, storedJob, workerOf } from './fake-app.ts'

const NASTY = 'a\u001b]0;x\u0007b\u009b2Jc\rFAKE LOG\u2028d\u202ee\u007f'
// Neither C0 but line ends and tabs, nor C1, DEL, separators, overrides.
const RAW = /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/

function appWith(...jobs: ReturnType<typeof storedJob>[]) {
  const app = fakeApp()
  for (const job of jobs) app.stored.set(job.id, job)
  return app
}

const nastyJob = () =>
  storedJob({
    tags: [NASTY],
    payloadJson: JSON.stringify({ text: NASTY }),
    state: 'dead',
    error: { name: NASTY, message: NASTY, stack: `Error: ${NASTY}\n    at x`, fingerprint: 'f' },
    attempts: [
      {
        attempt: 1,
        token: 1,
        startedAt: '2027-06-01T12:00:00.000000Z',
        outcome: 'failed',
        error: { name: 'E', message: NASTY, fingerprint: 'f' },
      },
    ],
  })

test('list in a pipe is tab-separated, whole and without a heading', async () => {
  const job = storedJob({ type: 'a_type_with_a_rather_long_name_of_its_own', queue: 'emails' })
  const { code, stdout } = await cli(['jobs', 'list'], { app: appWith(job) })
  expect(code).toBe(0)
  expect(stdout).toBe(`${job.id}\t${job.type}\temails\tpending\t0/25\t${job.createdAt}\t\n`)
})

test('list on a terminal fits it: ids lose their middle, names nothing', async () => {
  const job = storedJob({
    type: 'send_email_to_everybody',
    error: { name: 'E', message: 'x'.repeat(300), fingerprint: 'f' },
  })
  const { stdout } = await cli(['jobs', 'list'], { app: appWith(job), columns: 100 })
  const lines = stdout.trimEnd().split('\n')
  expect(lines).toHaveLength(2)
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(100)
  expect(stdout).toContain('send_email_to_everybody')
  expect(stdout).toContain(job.id.slice(0, 4))
  expect(stdout).toContain(`${job.id.slice(-4)}  `)
  expect(lines[1]).toMatch(/…$/)
})

test('--json is an array, --ndjson a line each, and every digit stays', async () => {
  const app = appWith(storedJob({ payloadJson: '{"n":1.10}' }), storedJob())
  const array = await cli(['jobs', 'list', '--json'], { app })
  expect((JSON.parse(array.stdout) as unknown[]).length).toBe(2)
  expect(array.stdout).toContain('1.10')
  const lines = await cli(['jobs', 'list', '--ndjson'], { app })
  expect(
    lines.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { id: string }).id),
  ).toEqual([...app.stored.keys()])
  expect((await cli(['jobs', 'list', '--json'])).stdout.trim()).toBe('[]')
})

test('list refuses wrong filters with what may have been meant', async () => {
  const state = await cli(['jobs', 'list', '--state', 'completd'])
  expect(state.code).toBe(2)
  expect(state.stderr).toContain('did you mean completed?')
  const many = await cli(['jobs', 'list', '--limit', '0', '--created-after', 'yesterday'])
  expect(many.code).toBe(2)
  expect(many.stderr).toContain('--limit')
  expect(many.stderr).toContain('--created-after')
})

test('an empty list says so, and which type or queue may have been meant', async () => {
  const app = fakeApp()
  app.workersList.push(workerOf('w1'))
  app.queuesList.push(figuresOf('emails'))
  const { code, stdout, stderr } = await cli(['jobs', 'list', '--type', 'send_emial', '--queue', 'email'], { app })
  expect(code).toBe(0)
  expect(stdout).toBe('')
  expect(stderr).toBe('no job matches; did you mean send_email and emails?\n')
})

test('show says the state and why it waits', async () => {
  const job = storedJob({ payloadJson: '{"email":"a@example.com"}' })
  const { code, stdout } = await cli(['jobs', 'show', job.id.toUpperCase()], { app: appWith(job) })
  expect(code).toBe(0)
  expect(stdout).toContain('state       pending')
  expect(stdout).toContain('no live worker serves the type send_email')
  expect(stdout).toContain('"email": "a@example.com"')
})

test('show prints attempts with their errors, and numbers as they are', async () => {
  const job = end(storedJob({ payloadJson: '{"n": 12345678901234567890}' }), 'dead', nastyJob())
  job.payloadJson = '{"n": 12345678901234567890}'
  const { stdout } = await cli(['jobs', 'show', job.id], { app: appWith(job) })
  expect(stdout).toContain('12345678901234567890')
  expect(stdout).toContain('1  failed')
})

test.each([[['jobs', 'list']], [['jobs', 'show']]])(
  'control characters and overrides of job data never reach a terminal or a pipe raw: %j',
  async (args) => {
    const job = nastyJob()
    for (const columns of [undefined, 120]) {
      const asked = { app: appWith(job), env: { NO_COLOR: '1' }, ...(columns !== undefined && { columns }) }
      const { stdout, stderr } = await cli(args[1] === 'show' ? [...args, job.id] : args, asked)
      expect(stdout).toContain('\\x1b]0;x')
      expect(stdout + stderr).not.toMatch(RAW)
    }
  },
)

test('--json gives the text of a job back exactly', async () => {
  const job = nastyJob()
  const { stdout } = await cli(['jobs', 'show', job.id, '--json'], { app: appWith(job) })
  const view = JSON.parse(stdout) as { tags: string[]; error: { message: string } }
  expect(view.tags).toEqual([NASTY])
  expect(view.error.message).toBe(NASTY)
  expect(stdout).not.toMatch(RAW)
})

test('colours come on a terminal only, and never with NO_COLOR', async () => {
  const job = storedJob()
  const colored = await cli(['jobs', 'show', job.id], { app: appWith(job), columns: 100, env: { NO_COLOR: '' } })
  expect(colored.stdout).toContain('\u001b[36mpending')
  const plain = await cli(['jobs', 'show', job.id], { app: appWith(job), columns: 100 })
  expect(plain.stdout).not.toContain('\u001b')
})

test('retry, run and cancel print the state that came of it', async () => {
  const dead = storedJob({ state: 'dead' })
  const retrying = storedJob({ state: 'retrying' })
  const app = appWith(dead, retrying)
  expect((await cli(['jobs', 'retry', dead.id], { app })).stdout).toBe(`${dead.id}\tpending\n`)
  expect((await cli(['jobs', 'run', retrying.id], { app })).stdout).toBe(`${retrying.id}\tpending\n`)
  const both = await cli(['jobs', 'cancel', dead.id, retrying.id, '--json'], { app })
  expect((JSON.parse(both.stdout) as { state: string }[]).map(({ state }) => state)).toEqual(['cancelled', 'cancelled'])
})

test('a state that does not allow it ends 1 and names the state; an unknown id ends 1, a wrong one 2', async () => {
  const job = storedJob({ state: 'running' })
  const running = await cli(['jobs', 'retry', job.id], { app: appWith(job) })
  expect(running.code).toBe(1)
  expect(running.stderr).toContain('the job is running')
  const unknown = await cli(['jobs', 'show', storedJob().id])
  expect(unknown.code).toBe(1)
  expect(unknown.stderr).toContain('job_not_found')
  expect((await cli(['jobs', 'show', 'not-an-id'])).code).toBe(2)
})

test('delete asks on a terminal, needs --yes elsewhere, and says what it touches', async () => {
  const job = storedJob({ state: 'dead' })
  const app = appWith(job)
  const silent = await cli(['jobs', 'delete', job.id], { app })
  expect(silent.code).toBe(2)
  expect(silent.stderr).toContain('--yes')
  const no = await cli(['jobs', 'delete', job.id], { app, columns: 100, answers: ['n'] })
  expect(no.code).toBe(1)
  expect(no.stderr).toContain(job.id)
  expect(no.questions).toEqual(['this deletes the job, its attempts and its result. Go on? [y/N] '])
  expect(app.stored.size).toBe(1)
  const yes = await cli(['jobs', 'delete', job.id, '--yes', '--json'], { app })
  expect(yes.code).toBe(0)
  expect(JSON.parse(yes.stdout)).toEqual({ id: job.id, deleted: true })
  expect(app.stored.size).toBe(0)
})

test('why prints each reason, or the wire’s shape', async () => {
  const job = storedJob()
  const { stdout } = await cli(['jobs', 'why', job.id], { app: appWith(job) })
  expect(stdout).toContain('no live worker serves the type send_email')
  const json = await cli(['jobs', 'why', job.id, '--json'], { app: appWith(job) })
  expect(JSON.parse(json.stdout)).toMatchObject({ id: job.id, reasons: [{ code: 'no_worker' }] })
})
