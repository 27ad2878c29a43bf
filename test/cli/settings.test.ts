import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cli, emptyFolder } from './cli.ts'

interface Shown {
  key: string
  value?: string
  origin: string
  name?: string
}

async function shown(args: string[], asked: Parameters<typeof cli>[1]): Promise<Map<string, Shown>> {
  const { code, stdout, stderr } = await cli(['config', '--json', ...args], asked)
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return new Map((JSON.parse(stdout) as Shown[]).map((each) => [each.key, each]))
}

const folderWith = (file: string, text: string): string => {
  const cwd = emptyFolder()
  writeFileSync(join(cwd, file), text)
  return cwd
}

test('config says of each value where it came from', async () => {
  const cwd = folderWith('forgeq.config.json', '{"port": 1, "grace": "9s", "retention": {"dead": "5d"}, "host": "::1"}')
  const config = await shown(['--port', '3'], { cwd, env: { FORGEQ_PORT: '2', FORGEQ_GRACE: '8s' } })
  expect(config.get('port')).toEqual({ key: 'port', value: '3', origin: 'flag', name: '--port' })
  expect(config.get('grace')).toEqual({ key: 'grace', value: '8s', origin: 'environment', name: 'FORGEQ_GRACE' })
  expect(config.get('retention.dead')).toMatchObject({ value: '5d', name: 'retention.dead in forgeq.config.json' })
  expect(config.get('lease')).toEqual({ key: 'lease', value: '15s', origin: 'default' })
})

test.each([
  ['forgeq.config.ts', `const port: number = 4000 as number\nexport default { port }`],
  ['forgeq.config.js', 'module.exports = { port: 4000 }'],
  ['forgeq.config.json', '\uFEFF{"port": 4000}'],
])('reads %s', async (file, text) => {
  expect((await shown([], { cwd: folderWith(file, text) })).get('port')).toMatchObject({
    value: '4000',
    origin: 'file',
  })
})

test('DATABASE_URL is taken, FORGEQ_DATABASE_URL goes before it, and no password is shown', async () => {
  const env = { DATABASE_URL: 'postgres://a:geheim@one/app', FORGEQ_DATABASE_URL: 'postgres://b:geheim@two/app' }
  const both = await cli(['config'], { env })
  expect(both.stdout).toContain('postgres://b:***@two:5432/app')
  expect(both.stdout).not.toContain('geheim')
  const one = await shown([], { env: { DATABASE_URL: env.DATABASE_URL } })
  expect(one.get('databaseUrl')).toMatchObject({ value: 'postgres://a:***@one:5432/app', name: 'DATABASE_URL' })
})

test('a raw password ends 2 with the advice to percent-encode it, and appears nowhere', async () => {
  const password = 'p@s:s/w#r%d?&[]+ ü'
  for (const command of [['server'], ['worker'], ['migrate', 'up'], ['config'], ['enqueue', '--type', 't']]) {
    const { code, stdout, stderr } = await cli(command, {
      env: { DATABASE_URL: `postgres://bob:${password}@127.0.0.1:5432/app` },
    })
    expect(code).toBe(2)
    expect(stderr).toContain('DATABASE_URL')
    expect(stderr).toContain('percent-encoded')
    for (const part of [password, 'p@s', 's:s/w', 'r%d']) expect(stdout + stderr).not.toContain(part)
  }
})

test('names unknown keys, misspelt variables and bad flags at once', async () => {
  const cwd = folderWith('forgeq.config.json', '{"prot": 1, "retention": {"died": "1d"}}')
  const { code, stderr } = await cli(['config', '--grace', 'long'], { cwd, env: { FORGEQ_CONCURENCY: '5' } })
  expect(code).toBe(2)
  expect(stderr).toContain('prot in forgeq.config.json: is not a setting; did you mean port?')
  expect(stderr).toContain('retention.died in forgeq.config.json')
  expect(stderr).toContain('FORGEQ_CONCURENCY: is not a setting; did you mean FORGEQ_CONCURRENCY?')
  expect(stderr).toContain('--grace')
})

test('leaves variables alone that others make: handlers’ own, and those of Kubernetes', async () => {
  const env = {
    FORGEQ_JOB_ID: 'x',
    FORGEQ_TOKEN: '1',
    FORGEQ_PORT: 'tcp://10.0.0.1:8420',
    FORGEQ_SERVICE_HOST: '10.0.0.1',
  }
  expect((await shown([], { env })).get('port')).toMatchObject({ value: '8420', origin: 'default' })
})

test('refuses a file that cannot be read and two files beside each other', async () => {
  for (const [file, text] of [
    ['forgeq.config.json', '{'],
    ['forgeq.config.json', '[]'],
    ['forgeq.config.ts', 'export default {'],
  ] as const) {
    const { code, stderr } = await cli(['config'], { cwd: folderWith(file, text) })
    expect(code).toBe(2)
    expect(stderr).toContain(file)
  }
  const cwd = folderWith('forgeq.config.json', '{}')
  writeFileSync(join(cwd, 'forgeq.config.ts'), 'export default {}')
  expect((await cli(['config'], { cwd })).stderr).toContain('keep one of them')
})
