import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ForgeQError } from '../../src/errors.ts'
import { cli, emptyFolder, start } from './cli.ts'
import { fakeApp } from './fake-app.ts'

const dataDir = (): string => join(emptyFolder(), 'data')

test('server waits for the database, says where it listens, and ends 0 when told', async () => {
  const folder = dataDir()
  const running = start(['server', '--data-dir', folder, '--log-format', 'json'])
  await running.printed('ForgeQ listens on http://127.0.0.1:8420\n')
  expect(JSON.parse(readFileSync(join(folder, 'server.json'), 'utf8'))).toEqual({
    url: 'http://127.0.0.1:8420',
    pid: process.pid,
  })
  running.signal('SIGTERM')
  const { code, stdout } = await running.ended
  expect(code).toBe(0)
  expect(stdout).toBe('ForgeQ listens on http://127.0.0.1:8420\n')
  expect(existsSync(join(folder, 'server.json'))).toBe(false)
  expect(running.app.opened?.whenAway).toBe('wait')
  expect(running.app.calls).toEqual(['startServer', 'startLoops', 'server.close', 'close'])
})

test('server --no-loops starts none', async () => {
  const running = start(['server', '--no-loops', '--data-dir', dataDir()])
  await running.printed('listens')
  running.signal('SIGINT')
  expect((await running.ended).code).toBe(0)
  expect(running.app.calls).not.toContain('startLoops')
})

test('server on a taken port ends 1, says by whom and what to do, and closes what it opened', async () => {
  const other = createServer()
  const port = await new Promise<number>((resolve) => {
    other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port))
  })
  const app = fakeApp()
  app.startServer = async () => {
    throw Object.assign(new Error('listen'), { code: 'EADDRINUSE' })
  }
  const { code, stderr } = await cli(['server', '--port', String(port), '--data-dir', dataDir()], { app })
  other.close()
  expect(code).toBe(1)
  expect(stderr).toContain(`port ${port} of 127.0.0.1 is taken by `)
  if (process.platform === 'linux') expect(stderr).toContain(`(process ${process.pid})`)
  expect(stderr).toContain('next: forgeq server --port 0')
  expect(app.calls).toEqual(['close'])
})

test('server told to stop while it waits for the database ends 0', async () => {
  const app = fakeApp()
  const opening = new Promise<void>((seen) => {
    Object.assign(app, { seen })
  })
  const running = start(['server', '--data-dir', dataDir()], {
    app,
    openApp: ({ signal }) =>
      new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(new ForgeQError('unavailable', 'cannot reach it')))
        ;(app as unknown as { seen: () => void }).seen()
      }),
  })
  await opening
  running.signal('SIGTERM')
  expect((await running.ended).code).toBe(0)
})

test('worker loads handlers strictly, says what it serves, and stops within its grace', async () => {
  const running = start(['worker', '--grace', '7s', '--concurrency', '3', '--queues', 'emails=2'])
  await running.printed('worker w1 serves hello\n')
  running.signal('SIGTERM')
  const { code } = await running.ended
  expect(code).toBe(0)
  expect(running.app.calls).toEqual(['loadHandlers strict', 'startLoops', 'worker.stop 7000', 'close'])
  expect(running.app.opened?.config).toMatchObject({ concurrency: 3, queues: { emails: 2 } })
})

test('worker without a handler in the default folder starts, serves nothing and says so', async () => {
  const app = fakeApp()
  app.types = []
  const running = start(['worker'], { app })
  await running.printed('worker w1 serves nothing: there is no handler in ./handlers\n')
  running.signal('SIGTERM')
  expect((await running.ended).code).toBe(0)
})

test('worker with a named folder that is missing refuses, before it opens anything', async () => {
  const { code, stderr, app } = await cli(['worker', '--handlers', './nowhere'])
  expect(code).toBe(2)
  expect(stderr).toContain('there is no folder ./nowhere')
  expect(app.opened).toBeUndefined()
  const cwd = emptyFolder()
  mkdirSync(join(cwd, 'here'))
  const running = start(['worker', '--handlers', './here'], { cwd })
  await running.printed('serves hello')
  running.signal('SIGTERM')
  expect((await running.ended).code).toBe(0)
})

test('worker that gives itself up logs the reason and ends 1', async () => {
  const running = start(['worker'])
  await running.printed('serves hello')
  running.app.endWorker('stalled')
  const { code, stderr } = await running.ended
  expect(code).toBe(1)
  expect(stderr).toContain('"reason":"stalled"')
  expect(running.app.calls).toContain('close')
})

test('a second signal in the same instant counts once, a later one ends the process', async () => {
  const app = fakeApp()
  let release: () => void = () => {}
  app.close = () => new Promise((resolve) => (release = resolve))
  const running = start(['server', '--data-dir', dataDir()], { app })
  await running.printed('listens')
  running.signal('SIGINT')
  running.signal('SIGINT')
  expect(running.exits).toEqual([])
  await new Promise((resolve) => setTimeout(resolve, 1_050)) // the second is told from the first by the time between them
  running.signal('SIGTERM')
  expect(running.exits).toEqual([143])
  release()
  await running.ended
})

test('worker --metrics-port serves metrics and health, and is not ready once told to stop', async () => {
  const app = fakeApp()
  let stopping: () => void = () => {}
  const stopped = new Promise<void>((resolve) => (stopping = resolve))
  const startWorker = app.startWorker.bind(app)
  app.startWorker = async (options) => ({ ...(await startWorker(options)), stop: () => stopped })
  let open: () => void = () => {}
  const opened = new Promise<typeof app>((resolve) => (open = () => resolve(app)))
  const running = start(['worker', '--metrics-port', '0', '--log-format', 'json'], { app, openApp: () => opened })
  await running.printed('"port":')
  const port = /"port":(\d+)/.exec(running.texts.stderr)![1]
  const get = async (path: string): Promise<[number, string]> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`)
    return [response.status, await response.text()]
  }
  expect(await get('/readyz')).toEqual([503, 'starting\n'])
  expect(await get('/healthz')).toEqual([200, 'alive\n'])
  open()
  await running.printed('serves hello')
  expect(await get('/metrics')).toEqual([200, 'forgeq_slots{state="busy"} 0\n'])
  expect(await get('/readyz')).toEqual([200, 'ready\n'])
  expect((await get('/other'))[0]).toBe(404)
  running.signal('SIGTERM')
  expect(await get('/readyz')).toEqual([503, 'stopping\n'])
  expect((await get('/healthz'))[0]).toBe(200)
  stopping()
  expect((await running.ended).code).toBe(0)
})

test('a worker whose stop hangs, as without a database, ends 0 within its grace and 5 s', async () => {
  const app = fakeApp()
  let release: () => void = () => {}
  app.close = () => new Promise((resolve) => (release = resolve))
  const running = start(['worker', '--grace', '0s', '--log-format', 'json'], { app })
  await running.printed('serves hello')
  const toldAt = performance.now()
  running.signal('SIGTERM')
  await running.printed('took too long')
  expect(performance.now() - toldAt).toBeLessThan(5_000)
  expect(running.exits).toEqual([0])
  release()
  await running.ended
})
