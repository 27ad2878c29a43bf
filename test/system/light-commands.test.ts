import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { leaveNothing, project, ran } from './processes.ts'

const db = testDatabase()
afterEach(leaveNothing)

/** Notes every module: those that `import` finds by the hook, those of `require` at the end. */
const NOTING = `
import { appendFileSync } from 'node:fs'
import { Module, register } from 'node:module'
const note = (name) => appendFileSync('loaded', name + '\\n')
const hook = \`
  import { appendFileSync } from 'node:fs'
  export function load(url, context, next) {
    appendFileSync('loaded', url + '\\\\n')
    return next(url, context)
  }\`
register('data:text/javascript,' + encodeURIComponent(hook))
process.on('exit', () => Object.keys(Module._cache).forEach(note))
`

async function loadedBy(args: string[]): Promise<{ packages: string[]; own: number; out: string }> {
  const folder = project({ 'noting.mjs': NOTING })
  const NODE_OPTIONS = `--import ${pathToFileURL(join(folder, 'noting.mjs')).href}`
  // The server of the tests has fsync=off, which is worth a warning, and that one a logger.
  const env = { DATABASE_URL: db.url, FORGEQ_LOG_LEVEL: 'error', NODE_OPTIONS }
  const { code, out, err } = await ran(folder, args, { env })
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const loaded = [...new Set(readFileSync(join(folder, 'loaded'), 'utf8').trim().split('\n'))]
  const packages = loaded.map((name) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(name)?.[1]).filter((name) => name)
  return {
    packages: [...new Set(packages as string[])].sort(),
    own: loaded.filter((name) => name.includes('/dist/')).length,
    out,
  }
}

test('enqueue loads the command line, the driver and what makes ids, and nothing else', async () => {
  const { packages, own, out } = await loadedBy(['enqueue', '--type', 'light', '--payload', '{"n":1}'])
  expect(out).toContain('pending')
  const ofTheDriver = /^(pg|postgres)(-|$)|^(xtend|pgpass|split2)$/
  expect(packages.filter((name) => !ofTheDriver.test(name))).toEqual(['commander', 'uuidv7'])
  expect(packages).toContain('pg')
  expect(own).toBeLessThan(100)
})

test('--version loads three files of its own and no package', async () => {
  const { packages, own } = await loadedBy(['--version'])
  expect({ packages, own }).toEqual({ packages: [], own: 3 })
})
