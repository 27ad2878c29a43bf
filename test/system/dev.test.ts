import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { answer, forgeq, freePort, leaveNothing, project, ran, until, write } from './processes.ts'

afterEach(leaveNothing)

const greets = (word: string) => `export default ({ name }: { name: string }) => \`${word}, \${name}!\`\n`
const ask = (folder: string, type: string) =>
  answer(folder, ['enqueue', '--type', type, '--payload', '{"name":"Ada"}', '--max-attempts', '1', '--wait'])

const serverFile = (folder: string) =>
  JSON.parse(readFileSync(join(folder, '.forgeq', 'server.json'), 'utf8')) as { url: string; pid: number }

test('in an empty folder dev --yes writes a first handler, runs one job and prints its result', async () => {
  const folder = project()
  const startedAt = performance.now()
  const dev = forgeq(folder, ['dev', '--yes', '--port', '0'])
  await dev.printed(/first job .*completed.*"Hello, world!"/)
  console.log(`forgeq dev to the first completed job, with initdb: ${Math.round(performance.now() - startedAt)} ms`)
  expect(readFileSync(join(folder, 'handlers', 'hello.ts'), 'utf8')).toContain('export default')
  expect(serverFile(folder)).toEqual({ url: /http:\/\/\S+/.exec(dev.out())![0], pid: dev.pid })
  dev.kill('SIGINT')
  expect(await dev.ended, dev.text()).toBe(0)
  expect(existsSync(join(folder, '.forgeq', 'server.json'))).toBe(false)

  const again = forgeq(folder, ['dev', '--yes', '--port', '0'])
  await again.printed('hello')
  await again.printed('is ready')
  expect(again.text()).not.toContain('first job')
}, 60_000)

test('without --yes and without a terminal dev asks nobody, writes nothing and says how to begin', async () => {
  const folder = project()
  const dev = forgeq(folder, ['dev', '--port', '0'])
  await dev.printed('is ready')
  expect(dev.err()).toContain('forgeq dev --yes')
  expect(existsSync(join(folder, 'handlers'))).toBe(false)
})

test('a change, a new file, a broken one and its mending are all taken up while the others serve', async () => {
  const folder = project({ 'handlers/hello.ts': greets('Hello') })
  const dev = forgeq(folder, ['dev', '--port', '0'])
  await dev.printed('is ready')
  expect(await ask(folder, 'hello')).toContain('"Hello, Ada!"')

  write(folder, 'handlers/hello.ts', greets('Good day'))
  await until(async () => (await ask(folder, 'hello')).includes('"Good day, Ada!"'))

  write(folder, 'handlers/broken.ts', 'export defalt ({ name }) => name\n')
  await dev.printed(/a handler does not load/)
  expect(dev.text()).toContain('broken.ts')
  expect(await ask(folder, 'hello')).toContain('"Good day, Ada!"')

  write(folder, 'handlers/broken.ts', greets('Mended'))
  expect(await ask(folder, 'broken')).toContain('"Mended, Ada!"')
}, 60_000)

test('what runs when a handler changes is finished by the code it began with', async () => {
  const slow = (word: string) =>
    `export default async () => { await new Promise((r) => setTimeout(r, 3_000)); return '${word}' }\n`
  const folder = project({ 'handlers/slow.ts': slow('before') })
  const dev = forgeq(folder, ['dev', '--port', '0'])
  await dev.printed('is ready')
  const waiting = ran(folder, ['enqueue', '--type', 'slow', '--wait'])
  await until(async () => (await answer(folder, ['jobs', 'list', '--state', 'running'])).includes('slow'))
  write(folder, 'handlers/slow.ts', slow('after'))
  await dev.printed('handlers have changed')
  expect((await waiting).out).toContain('"before"')
  expect(await answer(folder, ['enqueue', '--type', 'slow', '--wait'])).toContain('"after"')
}, 60_000)

test('a port that is taken gives way to the next free one, saying so', async () => {
  const port = await freePort()
  const holder = createServer()
  await new Promise<void>((resolve) => holder.listen(port, '127.0.0.1', resolve))
  try {
    const folder = project({ 'handlers/hello.ts': greets('Hello') })
    const dev = forgeq(folder, ['dev', '--port', String(port)])
    await dev.printed('is ready')
    const { url } = serverFile(folder)
    expect(Number(new URL(url).port)).toBeGreaterThan(port)
    expect(dev.err()).toContain(`port ${port} is taken`)
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    const refused = await ran(folder, ['server', '--port', String(port)])
    expect(refused.code).toBe(1)
    expect(refused.err).toContain(`port ${port}`)
  } finally {
    holder.close()
  }
})

test('dev that is killed with -9 leaves nobody working: its worker ends, and the next dev takes over', async () => {
  const folder = project({ 'handlers/hello.ts': greets('Hello') })
  const dev = forgeq(folder, ['dev', '--port', '0'])
  await dev.printed('is ready')
  dev.kill('SIGKILL')
  await dev.ended
  const next = forgeq(folder, ['dev', '--port', '0'])
  await next.printed('is ready')
  expect(serverFile(folder).pid).toBe(next.pid)
  expect(await ask(folder, 'hello')).toContain('"Hello, Ada!"')
  await until(
    async () =>
      (await answer(folder, ['workers', 'list']))
        .trimEnd()
        .split('\n')
        .filter((line) => line.includes('active')).length === 1,
  )
}, 60_000)
