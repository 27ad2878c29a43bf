import { existsSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { answer, answerJson, forgeq, forgeqCommand, freePort, leaveNothing, project, ran, start } from './processes.ts'
import { closeProxies, openProxy } from './proxy.ts'

const db = testDatabase()
afterEach(leaveNothing)
afterEach(closeProxies)

const env = () => ({ DATABASE_URL: db.url })

test.each([
  [['worker', '--concurency', '5'], '--concurrency'],
  [['server', '--prot', '9000'], '--port'],
  [['enqueue', '--typ', 'x'], '--type'],
  [['jobs', 'lits'], 'list'],
  [['enqeue', '--type', 'x'], 'enqueue'],
  [['jobs', 'list', '--state', 'complete'], 'completed'],
])('%j is wrong usage: exit 2, naming what was meant (%s), and no database is touched', async (args, meant) => {
  const folder = project()
  const { code, out, err } = await ran(folder, args)
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toMatch(/did you mean/i)
  expect(err).toContain(meant)
  expect(existsSync(`${folder}/.forgeq`)).toBe(false)
})

test.each([
  ['--unique'],
  ['--concurrency-key', 'k'],
  ['--group', 'g'],
  ['--depends-on', '01978f6e-0000-7000-8000-000000000000'],
  ['--batch', 'b'],
])('enqueue %s, which is not built, is refused with exit 2 and nothing is stored', async (...flag) => {
  const { code, out, err } = await ran(project(), ['enqueue', '--type', 'refused', ...flag], { env: env() })
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toContain(flag[0])
  expect(await db.sql(`select 1 from forgeq.jobs where type = 'refused'`)).toEqual([])
})

test('several wrong settings are named all at once, with where each came from', async () => {
  const folder = project({ 'forgeq.config.json': '{"lease":"soon","colour":"red"}' })
  const { code, err } = await ran(folder, ['worker', '--concurrency', 'many'], { env: { FORGEQ_GRACE: '1h30m' } })
  expect(code).toBe(2)
  for (const named of ['--concurrency', 'FORGEQ_GRACE', 'lease', 'colour']) expect(err).toContain(named)
})

test.each(['jobs list', 'enqueue --type t', 'queues list', 'migrate status', 'workers list'])(
  'with the database away %s exits 1 at once, saying what was tried and what to do',
  async (command) => {
    const port = await freePort()
    const away = { DATABASE_URL: `postgres://someone:s3cret-word@127.0.0.1:${port}/shop` }
    const from = performance.now()
    const { code, out, err } = await ran(project(), command.split(' '), { env: away })
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(performance.now() - from).toBeLessThan(10_000)
    expect(err).toContain(`127.0.0.1:${port}`)
    expect(err).toContain('ECONNREFUSED')
    expect(err).toMatch(/next: .+/)
    expect(err).not.toContain('s3cret-word')
    const problem = await ran(project(), [...command.split(' '), '--json'], { env: away })
    expect(problem.code).toBe(1)
    expect(JSON.parse(problem.err)).toMatchObject({
      code: 'unavailable',
      detail: expect.stringContaining('ECONNREFUSED') as string,
    })
  },
)

test('server and worker wait for the database with growing pauses, say so, and serve when it comes', async () => {
  const proxy = await openProxy(db.connection)
  await proxy.cut()
  const folder = project({ 'handlers/hello.ts': 'export default () => "hi"\n' })
  const waiting = [
    forgeq(folder, ['server', '--port', '0'], { env: { DATABASE_URL: proxy.url } }),
    forgeq(folder, ['worker'], { env: { DATABASE_URL: proxy.url } }),
  ]
  for (const process of waiting) {
    await process.printed(/"retry_in_ms":\d+[^]*"retry_in_ms":\d+[^]*"retry_in_ms":\d+/)
    const pauses = [...process.text().matchAll(/"retry_in_ms":(\d+)/g)].map(([, ms]) => Number(ms))
    expect(pauses[1]).toBeGreaterThan(pauses[0]!)
    expect(pauses[2]).toBeGreaterThan(pauses[1]!)
  }
  await proxy.mend()
  await waiting[0]!.printed('listens on')
  await waiting[1]!.printed('serves hello')
  expect(await answer(folder, ['enqueue', '--type', 'hello', '--wait'], { env: env() })).toContain('"hi"')
})

test('server and worker live through a database that goes and comes back, and jobs go on', async () => {
  const proxy = await openProxy(db.connection)
  const folder = project({ 'handlers/back.ts': 'export default () => "back"\n' })
  const staying = [
    forgeq(folder, ['server', '--port', '0'], { env: { DATABASE_URL: proxy.url } }),
    forgeq(folder, ['worker', '--lease', '2s', '--heartbeat', '500ms'], { env: { DATABASE_URL: proxy.url } }),
  ]
  const url = /http:\S+/.exec(await staying[0]!.printed(/listens on http:\S+/))![0]
  await staying[1]!.printed('serves back')
  await proxy.cut()
  expect((await fetch(`${url}/readyz`)).status).toBe(503)
  const refused = await fetch(`${url}/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"type":"back"}',
  })
  expect(refused.status).toBe(503)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(await refused.json()).toMatchObject({ status: 503, code: 'unavailable' })
  expect((await fetch(`${url}/healthz`)).status).toBe(200)
  await staying[1]!.printed('session lost')
  await proxy.mend()
  expect(await answer(folder, ['enqueue', '--type', 'back', '--wait'], { env: env() })).toContain('"back"')
  expect((await fetch(`${url}/readyz`)).status).toBe(200)
})

test('--json gives the shapes of the wire: an object, an array, a line each with --ndjson', async () => {
  const folder = project()
  const job = await answerJson<{ id: string }>(
    folder,
    ['enqueue', '--type', 'shaped', '--payload', '{"n":12345678901234567890}', '--tag', 'a'],
    { env: env() },
  )
  expect(job).toMatchObject({
    type: 'shaped',
    queue: 'default',
    state: 'pending',
    attempt: 0,
    max_attempts: 25,
    lost: 0,
    tags: ['a'],
  })
  const list = await answer(folder, ['jobs', 'list', '--type', 'shaped', '--json'], { env: env() })
  expect(JSON.parse(list)).toMatchObject([{ id: job.id }])
  expect(list).toContain('12345678901234567890')
  const lines = await answer(folder, ['jobs', 'list', '--type', 'shaped', '--ndjson'], { env: env() })
  expect(
    lines
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { id: string }).id),
  ).toEqual([job.id])
  expect(await answerJson(folder, ['queues', 'list'], { env: env() })).toMatchObject([
    { name: 'default', depth: expect.objectContaining({ pending: expect.any(Number) as number }) as object },
  ])
  expect(await answerJson(folder, ['workers', 'list'], { env: env() })).toEqual(expect.any(Array))
  const unknown = await ran(folder, ['jobs', 'show', '01978f6e-0000-7000-8000-000000000000', '--json'], { env: env() })
  expect(unknown.code).toBe(1)
  expect(JSON.parse(unknown.err.trimEnd().split('\n').at(-1)!)).toMatchObject({
    type: expect.stringContaining('job_not_found') as string,
  })
})

test('config shows what is in force and where it came from: flag over environment over file over default; the password is masked', async () => {
  const folder = project({ 'forgeq.config.json': '{"port":9001,"grace":"7s","concurrency":3}' })
  const set = {
    FORGEQ_PORT: '9002',
    FORGEQ_CONCURRENCY: '4',
    DATABASE_URL: 'postgres://u:s3cret-word@db.example.com/x',
  }
  const all = await answerJson<{ key: string; value: string; origin: string }[]>(folder, ['config', '--port', '9003'], {
    env: set,
  })
  const of = (key: string) => all.find((one) => one.key === key)
  expect(of('port')).toMatchObject({ value: '9003', origin: 'flag' })
  expect(of('concurrency')).toMatchObject({ value: '4', origin: 'environment' })
  expect(of('grace')).toMatchObject({ value: '7s', origin: 'file' })
  expect(of('lease')).toMatchObject({ value: '15s', origin: 'default' })
  expect(of('databaseUrl')).toMatchObject({ origin: 'environment' })
  expect(JSON.stringify(all)).not.toContain('s3cret-word')
  expect(await answer(folder, ['config'], { env: set })).not.toContain('s3cret-word')
})

test('a reader that goes away ends a list quietly', async () => {
  const folder = project()
  await answer(folder, ['enqueue', '--ndjson'], { env: env(), stdin: '{"type":"piped"}\n'.repeat(3_000) })
  const piped = start(
    folder,
    'bash',
    ['-c', `${forgeqCommand} jobs list --limit 1000 | head -n 1; echo "\${PIPESTATUS[0]}"`],
    { env: env() },
  )
  expect(await piped.ended).toBe(0)
  expect(piped.err()).not.toMatch(/EPIPE|Error/)
  expect(piped.out().trimEnd().split('\n').at(-1)).toBe('0')
})

test('colours and tables are for terminals: in a pipe, with NO_COLOR and with TERM=dumb there is none', async () => {
  const folder = project()
  await answer(folder, ['enqueue', '--type', 'plain'], { env: env() })
  expect(await answer(folder, ['jobs', 'list'], { env: env() })).not.toContain('\u001b')
  for (const extra of [{ NO_COLOR: '1' }, { TERM: 'dumb' }]) {
    const seen = start(folder, 'script', ['-qec', `${forgeqCommand} jobs list`, '/dev/null'], {
      env: { ...env(), TERM: 'xterm', ...extra },
    })
    expect(await seen.ended).toBe(0)
    expect(seen.out()).toContain('STATE')
    expect(seen.out()).not.toContain('\u001b')
  }
})
