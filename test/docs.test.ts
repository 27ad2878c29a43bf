import { existsSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { DEFAULT_TEXTS } from '../src/config/resolve.ts'
import { SETTINGS } from '../src/config/settings.ts'
import { JOB_STATES } from '../src/job/state.ts'
import { read, ROOT, sources, treeFiles } from './support/source-tree.ts'

const PAGES = treeFiles().filter((file) => file.endsWith('.md'))

const withoutCode = (text: string) => text.replaceAll(/^( *)```[^]*?^\1```$/gm, '').replaceAll(/`[^`\n]*`/g, '')

/** As GitHub makes them of headings. */
const anchorsOf = (text: string): string[] =>
  text
    .split('\n')
    .filter((line) => /^#{1,6} /.test(line))
    .map((line) =>
      line
        .replace(/^#+ /, '')
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .trim()
        .replaceAll(' ', '-'),
    )

describe('links', () => {
  const links = PAGES.flatMap((page) =>
    [...withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => ({ page, link: link! })),
  )

  test('are there', () => expect(links.length).toBeGreaterThan(40))

  test('lead to files that exist, and to headings that exist', () => {
    const broken = links
      .filter(({ link }) => !/^[a-z]+:/.test(link))
      .filter(({ page, link }) => {
        const [path, anchor] = link.split('#') as [string, string?]
        const target = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path))
        if (!existsSync(join(ROOT, target))) return true
        return anchor !== undefined && target.endsWith('.md') && !anchorsOf(read(target)).includes(anchor)
      })
    expect(broken).toEqual([])
  })

  test('reach every page of docs/', () => {
    const reached = new Set(['README.md'])
    for (const page of reached) {
      for (const { page: from, link } of links) {
        const target = relative(ROOT, join(ROOT, dirname(from), link.split('#')[0]!))
        if (from === page && target.endsWith('.md')) reached.add(target)
        if (from === page && target === 'docs/decisions')
          PAGES.filter((one) => one.startsWith(target)).forEach((one) => reached.add(one))
      }
    }
    expect(PAGES.filter((page) => page.startsWith('docs/') && !reached.has(page))).toEqual([])
  })
})

describe('docs/configuration.md', () => {
  const rows = read('docs/configuration.md')
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
  const code = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text!)

  test('lists every setting with its flag, its variables and its default, and no other', () => {
    const documented = rows.map(([key, flag, env, otherwise]) => ({
      key: code(key!)[0],
      flag: code(flag!)[0],
      env: code(env!),
      otherwise: code(otherwise!)[0],
    }))
    const settings = SETTINGS.map(({ key, flag, env }) => ({
      key,
      flag: flag.split(' ')[0],
      env: [...env],
      otherwise: DEFAULT_TEXTS.get(key),
    }))
    expect(documented).toEqual(settings)
  })
})

test('docs/operations.md names only metrics that exist', () => {
  const named = [...new Set(read('docs/operations.md').match(/\bforgeq_[a-z_]+/g))]
  const made = sources().flatMap((file) => read(file).match(/'forgeq_[a-z_]+'/g) ?? [])
  expect(named.length).toBeGreaterThan(10)
  expect(named.filter((name) => !made.includes(`'${name}'`))).toEqual([])
})

test('README.md has at most 150 lines', () => {
  expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(150)
})

test('docs/guarantees.md speaks of every state', () => {
  const text = read('docs/guarantees.md')
  expect(JOB_STATES.filter((state) => !text.includes(`\`${state}\``))).toEqual([])
})
