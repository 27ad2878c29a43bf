import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { kill, leaveNothing, project, ROOT, start } from './processes.ts'

let tarball: string
let files: string[]

beforeAll(async () => {
  const folder = project()
  // The build is there already, and another one now would pull it away under the tests beside this one.
  const pack = start(ROOT, 'npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder])
  expect(await pack.ended, pack.text()).toBe(0)
  const [packed] = JSON.parse(pack.out()) as { filename: string; files: { path: string }[] }[]
  files = packed!.files.map(({ path }) => path)
  tarball = join(folder, packed!.filename)
}, 60_000)
afterAll(leaveNothing)

test('the package holds the build, documents and nothing else: no test, no example, no source', () => {
  expect(files).toEqual(
    expect.arrayContaining([
      'package.json',
      'dist/cli/main.js',
      'dist/index.js',
      'dist/index.d.ts',
      'dist/worker/heartbeat-thread.js',
      'dist/embedded/keeper-main.js',
    ]),
  )
  expect(
    files.filter(
      (path) =>
        !/^(package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/.*\.(js|d\.ts|js\.map)|docs\/.*\.md)$/.test(path),
    ),
  ).toEqual([])
  expect(files.filter((path) => /\.test\.|(^|\/)(test|tests|examples|bench)\//.test(path))).toEqual([])
})

test('publint finds nothing to say about it', async () => {
  const lint = start(ROOT, join(ROOT, 'node_modules', '.bin', 'publint'), ['run', tarball, '--strict'])
  expect(await lint.ended, lint.text()).toBe(0)
})

test('installed into an empty folder, npx forgeq dev --yes writes a handler and runs one job through it', async () => {
  const folder = project()
  writeFileSync(join(folder, 'package.json'), '{"private":true}')
  const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--loglevel', 'error']
  const install = start(folder, 'npm', ['install', tarball, ...flags])
  expect(await install.ended, install.text()).toBe(0)
  const dev = start(folder, 'npx', ['--no-install', 'forgeq', 'dev', '--yes', '--port', '0'])
  await dev.printed(/first job .*completed.*"Hello, world!"/)
  expect(readdirSync(join(folder, 'handlers'))).toEqual(['hello.ts'])

  const shown = execFileSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { ForgeQ, defineJob } from 'forgeq'; console.log(typeof ForgeQ, typeof defineJob)`,
    ],
    { cwd: folder, encoding: 'utf8' },
  )
  expect(shown.trim()).toBe('function function')
  // The shell between npx and it passes no signal on; a terminal sends Ctrl-C to all of them.
  const { pid } = JSON.parse(readFileSync(join(folder, '.forgeq', 'server.json'), 'utf8')) as { pid: number }
  kill(pid, 'SIGINT')
  expect(await dev.ended, dev.text()).toBe(0)
}, 120_000)
