import { expect, test } from 'vitest'
import { cli } from './cli.ts'

const COMMANDS = [
  'server', 'worker', 'enqueue', 'dev', 'config',
  'jobs list', 'jobs show', 'jobs why', 'jobs retry', 'jobs run', 'jobs cancel', 'jobs delete',
  'queues list', 'queues show', 'queues pause', 'queues resume', 'workers list', 'workers show',
  'migrate up', 'migrate status', 'migrate sql',
] // prettier-ignore

test.each(COMMANDS)('%s --help goes to stdout, ends 0 and shows an example', async (command) => {
  const { code, stdout, stderr } = await cli([...command.split(' '), '--help'])
  expect(code).toBe(0)
  expect(stdout).toContain(`$ `)
  expect(stdout).toContain(`forgeq ${command}`)
  expect(stderr).toBe('')
})

test('--version prints the version alone', async () => {
  const { code, stdout } = await cli(['--version'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})

test('no command and a command without its own print help on stderr and end 2', async () => {
  for (const args of [[], ['jobs'], ['queues']]) {
    const { code, stdout, stderr } = await cli(args)
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain('Usage: forgeq')
  }
})

test.each([
  [['enqueu'], 'enqueue'],
  [['jobs', 'lst'], 'list'],
  [['enqueue', '--typ', 'x'], '--type'],
  [['server', '--prot', '1'], '--port'],
])('wrong usage %j ends 2 in three parts with what may have been meant', async (args, meant) => {
  const { code, stdout, stderr } = await cli(args)
  expect(code).toBe(2)
  expect(stdout).toBe('')
  expect(stderr).toContain(`Did you mean ${meant}?`)
  expect(stderr).toMatch(/^forgeq.*: cannot be run so\n {2}.*\n[^]* {2}next: forgeq.* --help\n$/)
})

test('a surplus or missing argument ends 2 and names the command in the next step', async () => {
  for (const args of [
    ['jobs', 'show'],
    ['queues', 'show', 'a', 'b'],
    ['server', 'extra'],
  ]) {
    const { code, stderr } = await cli(args)
    expect(code).toBe(2)
    expect(stderr).toContain('next: forgeq ' + args.slice(0, args[0] === 'server' ? 1 : 2).join(' '))
  }
})

test('with --json an error is the problem document on stderr, one line', async () => {
  for (const args of [
    ['jobs', 'show', 'x', '--json'],
    ['jobs', 'lst', '--json'],
  ]) {
    const { code, stderr } = await cli(args)
    expect(code).toBe(2)
    const problem = JSON.parse(stderr) as { type: string; code: string; detail: string }
    expect(problem.type).toBe(`urn:forgeq:problem:${problem.code}`)
    expect(problem.detail).not.toBe('')
  }
})

test('an unexpected error ends 1 without a stack', async () => {
  const { fakeApp } = await import('./fake-app.ts')
  const app = fakeApp()
  app.queue.queues.list = async () => {
    throw new Error('boom\u001b[2J')
  }
  const { code, stderr } = await cli(['queues', 'list'], { app })
  expect(code).toBe(1)
  expect(stderr).toContain('boom\\x1b[2J')
  expect(stderr).not.toContain('    at ')
  expect(app.calls).toContain('close')
})
