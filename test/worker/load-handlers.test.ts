import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { HandlerSet, RunningJob } from '../../src/worker/handler.ts'
import { loadHandlers, requireSound } from '../../src/worker/load-handlers.ts'

const folders: string[] = []
afterEach(() => Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true }))))

/** A handlers folder with these files; those that begin with `#!` are executable. */
async function folderOf(files: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'handlers-'))
  folders.push(folder)
  for (const [name, text] of Object.entries(files)) {
    const file = join(folder, name)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
    if (text.startsWith('#!')) await chmod(file, 0o755)
  }
  return folder
}
const load = async (files: Record<string, string>): Promise<HandlerSet> => loadHandlers(await folderOf(files))

const DEFINE_JOB = JSON.stringify(join(import.meta.dirname, '../../src/worker/definition.ts'))
const call = ({ handlers }: HandlerSet, type: string, payload: unknown = {}) =>
  handlers
    .get(type)!
    .run(payload, {} as RunningJob, { payloadJson: '{}', backoff: { kind: 'fixed', baseMs: 1, capMs: 1, jitter: 0 } })

describe('a handlers folder', () => {
  test('serves TypeScript without a build: an enum, an import without extension, await at the top', async () => {
    const set = await load({
      'send_email.ts': `
        import { greet } from './parts/greet'
        enum Tone { Kind = 'kind' }
        const ready: string = await Promise.resolve('ready')
        export default async (payload: { name: string }) => ({ said: greet(payload.name), tone: Tone.Kind, ready })`,
      'parts/greet.ts': `export const greet = (name: string): string => 'hello ' + name
        export default () => 0`,
    })
    expect(set.types).toEqual(['parts/greet', 'send_email'])
    expect(set.problems).toEqual([])
    expect(await call(set, 'send_email', { name: 'you' })).toEqual({ said: 'hello you', tone: 'kind', ready: 'ready' })
  })

  test('names types after files and folders, in every dialect of JavaScript', async () => {
    const set = await load({
      'users/welcome.ts': `export default () => 'ts'`,
      'a.mts': `export default () => 'mts'`,
      'b.js': `export default () => 'js'`,
      'c.mjs': `export default () => 'mjs'`,
      'd.cjs': `module.exports = () => 'cjs'`,
      'e.cts': `export default () => 'cts'`,
      'users/welcome.d.ts': `export default function (): string`,
      'notes.txt': 'no handler',
    })
    expect(set.problems).toEqual([])
    expect(set.types).toEqual(['a', 'b', 'c', 'd', 'e', 'users/welcome'])
    expect(await Promise.all(set.types.map((type) => call(set, type)))).toEqual([
      'mts',
      'js',
      'mjs',
      'cjs',
      'cts',
      'ts',
    ])
  })

  test('takes what defineJob made, with its options', async () => {
    const set = await load({
      'defined.ts': `import { defineJob } from ${DEFINE_JOB}
        export default defineJob({ type: 'defined', timeout: '2m', backoff: { kind: 'fixed', base: '9s' }, run: () => 'ran' })`,
    })
    expect(set.problems).toEqual([])
    expect(set.handlers.get('defined')).toMatchObject({ timeoutMs: 120_000, backoff: { kind: 'fixed', baseMs: 9_000 } })
    expect(await call(set, 'defined')).toBe('ran')
  })

  test('names every file that gives no handler, with the reason, and serves the rest', async () => {
    const set = await load({
      'good.ts': `export default () => 'good'`,
      'broken.ts': `export default ( => 1`,
      'throwing.ts': `throw new Error('no configuration')`,
      'missing.ts': `import './not-there'; export default () => 1`,
      'nothing.ts': `export const run = () => 1`,
      'number.ts': `export default 7`,
      'other.ts': `import { defineJob } from ${DEFINE_JOB}
        export default defineJob({ type: 'send_sms', run: () => 1 })`,
      'not a type.ts': `export default () => 1`,
      'unknown.ts': `import { defineJob } from ${DEFINE_JOB}
        export default defineJob({ type: 'unknown', retries: 3, run: () => 1 } as any)`,
    })
    expect(set.types).toEqual(['good'])
    const reasons = Object.fromEntries(set.problems.map(({ file, message }) => [file, message]))
    expect(reasons).toEqual({
      'broken.ts': expect.stringMatching(/\S/),
      'throwing.ts': 'no configuration',
      'missing.ts': expect.stringContaining('not-there'),
      'nothing.ts': 'it has no default export that is a function or made by defineJob',
      'number.ts': 'it has no default export that is a function or made by defineJob',
      'other.ts': 'it defines type send_sms, but its name says other',
      'not a type.ts': expect.stringContaining('"not a type"'),
      'unknown.ts': 'defineJob: there is no option retries in this release',
    })
    expect(() => requireSound(set, './handlers')).toThrow(
      expect.objectContaining({
        code: 'handler_invalid',
        errors: expect.arrayContaining([{ path: 'throwing.ts', message: 'no configuration' }]),
      }),
    )
  })

  test('keeps the first of two files of one type and names the other', async () => {
    const set = await load({
      'twice.js': `export default () => 'js'`,
      'twice.ts': `export default () => 'ts'`,
      'twice.sh': '#!/bin/sh\n',
    })
    expect(set.types).toEqual(['twice'])
    expect(await call(set, 'twice')).toBe('js')
    expect(set.problems).toEqual([
      { file: 'twice.sh', message: 'twice.js serves type twice already' },
      { file: 'twice.ts', message: 'twice.js serves type twice already' },
    ])
  })

  test('passes over dot files, dot folders, node_modules and files that are neither a module nor executable', async () => {
    const set = await load({
      '.hidden.ts': `throw new Error('loaded')`,
      '.git/hook.sh': '#!/bin/sh\n',
      'node_modules/left/index.js': `throw new Error('loaded')`,
      'sub/node_modules/x.ts': `throw new Error('loaded')`,
      'readme.md': '# handlers',
    })
    expect(set).toMatchObject({ types: [], problems: [] })
  })

  test('follows a link to a file, names a dead one, and does not walk through a link to a folder', async () => {
    const outside = await folderOf({
      'real.ts': `export default () => 'linked'`,
      'more/inner.ts': `export default () => 1`,
    })
    const folder = await folderOf({ 'own.ts': `export default () => 'own'` })
    await symlink(join(outside, 'real.ts'), join(folder, 'linked.ts'))
    await symlink(join(outside, 'gone.ts'), join(folder, 'dead.ts'))
    await symlink(join(outside, 'gone'), join(folder, 'dead'))
    await symlink(join(outside, 'more'), join(folder, 'more'))
    await symlink(folder, join(folder, 'round'))
    const set = await loadHandlers(folder)
    expect(set.types).toEqual(['linked', 'own'])
    expect(await call(set, 'linked')).toBe('linked')
    expect(set.problems).toEqual([{ file: 'dead.ts', message: expect.stringMatching(/\S/) }])
  })

  test('serves nothing but what was found: no type reaches a file outside', async () => {
    const folder = await folderOf({
      'handlers/inside.ts': `export default () => 1`,
      'x.ts': `export default () => 'outside'`,
    })
    const { handlers } = await loadHandlers(join(folder, 'handlers'))
    for (const type of ['../x', './inside', 'inside.ts', 'handlers/inside', '__proto__', 'constructor', ''])
      expect(handlers.get(type)).toBeUndefined()
  })

  test('that is missing is an error with its own code', async () => {
    await expect(loadHandlers('/nowhere/handlers')).rejects.toMatchObject({ code: 'ENOENT' })
  })
})
