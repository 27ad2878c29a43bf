import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { emptyFolder } from './cli.ts'

const MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

interface Process {
  child: ChildProcess
  text(): string
  /** Resolves when the text has been printed. */
  printed(text: string): Promise<void>
  ended: Promise<number | null>
}

const started: ChildProcess[] = []

beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error('these tests run the built command: npm run build')
})

afterEach(async () => {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

function forgeq(cwd: string, args: string[], env: Record<string, string> = {}): Process {
  const { DATABASE_URL: _, ...rest } = process.env
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { ...rest, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  started.push(child)
  let all = ''
  const waiting: (() => void)[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      all += text
      for (const look of waiting) look()
    })
  }
  return {
    child,
    text: () => all,
    printed: (text) =>
      new Promise((done, fail) => {
        const look = (): void => void (all.includes(text) && done())
        waiting.push(look)
        child.once('close', () => fail(new Error(`ended without printing ${text}: ${all}`)))
        look()
      }),
    ended: new Promise((done) => child.once('close', done)),
  }
}

function emptyHandlers(cwd: string): string {
  const folder = join(cwd, 'handlers')
  mkdirSync(folder)
  return folder
}

async function answer(cwd: string, args: string[]): Promise<string> {
  const ran = forgeq(cwd, args)
  expect(await ran.ended, ran.text()).toBe(0)
  return ran.text()
}

test('dev in an empty folder writes a handler, runs a job through it, reloads it on change and ends cleanly', async () => {
  const cwd = emptyFolder()
  const dev = forgeq(cwd, ['dev', '--yes', '--port', '0'])
  await dev.printed('first job')
  await dev.printed('"Hello, world!"')
  const { url, pid } = JSON.parse(readFileSync(join(cwd, '.forgeq', 'server.json'), 'utf8')) as {
    url: string
    pid: number
  }
  expect(pid).toBe(dev.child.pid)
  expect((await fetch(`${url}/healthz`)).status).toBe(200)

  writeFileSync(join(cwd, 'handlers', 'broken.ts'), 'export defalt 1')
  writeFileSync(join(cwd, 'handlers', 'bye.ts'), 'export default ({ name }: { name: string }) => `Bye, ${name}!`')
  await dev.printed('a handler does not load')
  expect(dev.text()).toContain('broken.ts')
  const bye = forgeq(cwd, ['enqueue', '--type', 'bye', '--payload', '{"name":"Ada"}', '--wait'])
  expect(await bye.ended).toBe(0)
  expect(bye.text()).toContain('"Bye, Ada!"')

  dev.child.kill('SIGTERM')
  expect(await dev.ended, dev.text()).toBe(0)
  expect(existsSync(join(cwd, '.forgeq', 'server.json'))).toBe(false)
}, 60_000)

test('commands of one folder share its database, and the worker ends 0 on SIGTERM', async () => {
  const cwd = emptyFolder()
  const [id = ''] = (await answer(cwd, ['enqueue', '--type', 'shout', '--payload', '{"n":1.10}'])).split('\t')
  expect(await answer(cwd, ['jobs', 'show', id])).toContain('no live worker serves type shout')
  expect(await answer(cwd, ['queues', 'list'])).toContain('no live worker serves shout')
  expect(await answer(cwd, ['jobs', 'list', '--json'])).toContain('1.10')

  writeFileSync(join(emptyHandlers(cwd), 'shout.js'), 'export default () => "HELLO"')
  const worker = forgeq(cwd, ['worker', '--name', 'w-1', '--grace', '5s'])
  await worker.printed('serves shout')
  await worker.printed('job completed')
  expect(await answer(cwd, ['jobs', 'show', id])).toContain('HELLO')
  expect(await answer(cwd, ['workers', 'list'])).toContain('w-1\tactive')
  worker.child.kill('SIGTERM')
  expect(await worker.ended, worker.text()).toBe(0)
}, 60_000)

test('a worker whose handler does not load refuses to start and says which file and why', async () => {
  const cwd = emptyFolder()
  writeFileSync(join(emptyHandlers(cwd), 'broken.ts'), 'export defalt 1')
  const worker = forgeq(cwd, ['worker'])
  expect(await worker.ended).toBe(1)
  expect(worker.text()).toMatch(/handler_invalid[^]*broken\.ts: .*[Uu]nexpected/)
}, 60_000)

test('a reader that goes away ends a command quietly', async () => {
  const ran = forgeq(emptyFolder(), ['config', '--help'])
  ran.child.stdout!.destroy()
  expect(await ran.ended).toBe(0)
  expect(ran.text()).not.toContain('EPIPE')
})

test('Ctrl-C ends a command that waits with 130 and leaves its job on its queue', async () => {
  const cwd = emptyFolder()
  const waiting = forgeq(cwd, ['enqueue', '--type', 'nobody', '--wait'])
  let listed = ''
  while (!listed.includes('nobody')) listed = await answer(cwd, ['jobs', 'list'])
  waiting.child.kill('SIGINT')
  expect(await waiting.ended).toBe(130)
  expect(await answer(cwd, ['jobs', 'list', '--state', 'pending'])).toContain('nobody')
}, 60_000)
