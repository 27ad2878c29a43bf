import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cli, emptyFolder } from './cli.ts'
import { end, fakeApp, storedJob, workerOf } from './fake-app.ts'

const jobsOf = ({ stored }: ReturnType<typeof fakeApp>) => [...stored.values()]

test('puts a job on its queue and prints id and state', async () => {
  const { code, stdout, stderr, app } = await cli([
    'enqueue',
    '--type',
    'send_email',
    '--payload',
    '{"email":"test@example.com"}',
  ])
  const [job] = jobsOf(app)
  expect(code).toBe(0)
  expect(stdout).toBe(`${job!.id}\tpending\n`)
  expect(stderr).toBe('')
  expect(job).toMatchObject({ type: 'send_email', queue: 'default', payloadJson: '{"email":"test@example.com"}' })
  expect(app.calls).toEqual(['close'])
})

test('takes every flag of a job', async () => {
  const args = [
    '--queue',
    'q',
    '--priority',
    '-5',
    '--max-attempts',
    '3',
    '--timeout',
    '2m',
    '--tag',
    'a',
    '--tag',
    'b',
  ]
  const more = ['--idempotency-key', 'k', '--expires-in', '1h', '--keep-for', '1d', '--delay', '10m']
  const { code, app } = await cli(['enqueue', '--type', 't', ...args, ...more])
  expect(code).toBe(0)
  expect(jobsOf(app)[0]).toMatchObject({
    queue: 'q',
    priority: -5,
    maxAttempts: 3,
    timeoutMs: 120_000,
    tags: ['a', 'b'],
    idempotencyKey: 'k',
    expiresInMs: 3_600_000,
    keepForMs: 86_400_000,
    state: 'scheduled',
  })
})

test('keeps every digit of a payload on its way in and out', async () => {
  const payload = '{"n":12345678901234567890.12345678901234567890}'
  const { stdout, app } = await cli(['enqueue', '--type', 't', '--payload', payload, '--json'])
  expect(jobsOf(app)[0]!.payloadJson).toBe(payload)
  expect(stdout).toContain(payload)
})

test('names every flag that is wrong at once and enqueues nothing', async () => {
  const { code, stderr, app } = await cli([
    'enqueue',
    '--type',
    '../x',
    '--delay',
    '5',
    '--priority',
    'high',
    '--run-at',
    'now',
  ])
  expect(code).toBe(2)
  for (const flag of ['--type', '--delay', '--priority', '--run-at']) expect(stderr).toContain(flag)
  expect(app.stored.size).toBe(0)
})

test.each(['--unique', '--concurrency-key=k', '--depends-on=x', '--batch=x', '--group=g'])(
  'refuses %s, which this release does not have',
  async (flag) => {
    const { code, stderr, app } = await cli(['enqueue', '--type', 't', flag])
    expect(code).toBe(2)
    expect(stderr).toContain('is not supported by this release')
    expect(app.stored.size).toBe(0)
  },
)

test('without --type it ends 2 and says so', async () => {
  const { code, stderr } = await cli(['enqueue', '--payload', '{}'])
  expect(code).toBe(2)
  expect(stderr).toContain('--type is missing')
})

test('a payload that a shell has eaten ends 2, shows what came and names the safe roads', async () => {
  const { code, stderr, app } = await cli(['enqueue', '--type', 't', '--payload', '{email:test}'])
  expect(code).toBe(2)
  expect(stderr).toContain('not valid JSON')
  expect(stderr).toContain('{email:test}')
  expect(stderr).toContain('@file')
  expect(stderr).toContain('-')
  expect(app.stored.size).toBe(0)
})

test('reads a payload from a file: UTF-8 with a byte order mark, UTF-16 with one', async () => {
  const cwd = emptyFolder()
  writeFileSync(join(cwd, 'bom.json'), '\uFEFF{"a":"ü"}')
  writeFileSync(join(cwd, 'utf16.json'), Buffer.from('\uFEFF{"a":"ü"}', 'utf16le'))
  for (const name of ['bom.json', 'utf16.json']) {
    const { code, app } = await cli(['enqueue', '--type', 't', '--payload', `@${name}`], { cwd })
    expect(code).toBe(0)
    expect(jobsOf(app)[0]!.payloadJson).toBe('{"a":"ü"}')
  }
})

test('names the encoding of a file that is not UTF-8, and a file that is not there', async () => {
  const cwd = emptyFolder()
  writeFileSync(join(cwd, 'raw16.json'), Buffer.from('{"a":1}', 'utf16le'))
  writeFileSync(join(cwd, 'latin1.json'), Buffer.from('{"a":"ü"}', 'latin1'))
  const expected = { 'raw16.json': 'UTF-16', 'latin1.json': 'UTF-8', 'none.json': 'no file none.json' }
  for (const [name, text] of Object.entries(expected)) {
    const { code, stderr } = await cli(['enqueue', '--type', 't', '--payload', `@${name}`], { cwd })
    expect(code).toBe(2)
    expect(stderr).toContain(text)
  }
})

test('reads a payload from standard input; an empty one ends 2 at once', async () => {
  const given = await cli(['enqueue', '--type', 't', '--payload', '-'], { stdin: ['{"a"', ':1}\n'] })
  expect(given.code).toBe(0)
  expect(JSON.parse(jobsOf(given.app)[0]!.payloadJson)).toEqual({ a: 1 })
  const empty = await cli(['enqueue', '--type', 't', '--payload', '-'])
  expect(empty.code).toBe(2)
  expect(empty.stderr).toContain('standard input is empty')
})

test('on a terminal: says that it reads, what to do next and that no worker serves the type', async () => {
  const app = fakeApp()
  app.workersList.push(workerOf('w1'), workerOf('gone', { status: 'lost', types: ['send_emial'] }))
  const typed = await cli(['enqueue', '--type', 't', '--payload', '-'], { columns: 100 })
  expect(typed.stderr).toContain('Ctrl-D')
  const { stdout, stderr } = await cli(['enqueue', '--type', 'send_emial'], { columns: 100, app })
  const [job] = jobsOf(app)
  expect(stdout).toBe(`${job!.id}  pending\n`)
  expect(stderr).toContain(`forgeq jobs show ${job!.id}`)
  expect(stderr).toContain('no live worker serves the type send_emial; did you mean send_email?')
})

test.each([
  ['completed', 0, { resultJson: '{"sent":true}' }],
  ['dead', 1, { error: { name: 'Error', message: 'no such host', fingerprint: 'f' } }],
  ['cancelled', 1, {}],
] as const)('--wait prints the end and what came of it: %s ends %i', async (state, code, rest) => {
  const app = fakeApp()
  app.queue.enqueue = async (asked) => {
    const job = end(storedJob(asked), state, rest)
    app.stored.set(job.id, job)
    return { created: true, job }
  }
  const ran = await cli(['enqueue', '--type', 't', '--wait'], { app })
  expect(ran.code).toBe(code)
  expect(ran.stdout).toContain(`\t${state}\n`)
  if (state === 'completed') expect(ran.stdout).toContain('{"sent":true}\n')
  if (state === 'dead') expect(ran.stderr).toContain('no such host')
})

test('says that a repeated key is the same job, also when that job has gone', async () => {
  const app = fakeApp()
  app.queue.enqueue = async () => ({ created: false, removed: { id: 'x', state: 'completed' } })
  const { code, stdout } = await cli(['enqueue', '--type', 't', '--idempotency-key', 'k', '--json'], { app })
  expect(code).toBe(0)
  expect(JSON.parse(stdout)).toEqual({ id: 'x', state: 'completed', removed: true })
})
