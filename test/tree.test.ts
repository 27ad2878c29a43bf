import { basename } from 'node:path'
import { describe, expect, test } from 'vitest'
import { read, sources, treeFiles } from './support/source-tree.ts'

const FILES = sources()

describe('the sources', () => {
  /** Far beyond 300 lines a file has more than one subject. */
  const LONGEST = 350

  test('have no file that is far too long', () => {
    expect(FILES.length).toBeGreaterThan(100)
    const lines = FILES.map((file) => ({ file, lines: read(file).split('\n').length }))
    for (const { file, lines: count } of lines) if (count > 300) console.warn(`over 300 lines: ${file} (${count})`)
    expect(lines.filter(({ lines: count }) => count > LONGEST)).toEqual([])
  })

  test('have no drawer for things without a name', () => {
    const drawer = /^(utils?|helpers?|types|misc|common|shared|lib|constants)(\.ts)?$/
    expect(FILES.filter((file) => file.split('/').some((part) => drawer.test(part)))).toEqual([])
  })

  test('import with the file ending, so that they run without a build', () => {
    const bare = FILES.filter((file) => /from '\.[^']*(?<!\.ts)'/.test(read(file)))
    expect(bare).toEqual([])
  })

  test('have no word of something left to do', () => {
    expect(FILES.filter((file) => /\b(TODO|FIXME|XXX|HACK)\b/.test(read(file)))).toEqual([])
  })
})

describe('the tree', () => {
  const tree = treeFiles()

  test('names no package registry: whoever installs uses their own', () => {
    expect(tree.length).toBeGreaterThan(200)
    const host = /\bregistry\.[a-z0-9-]+\.[a-z]+|\b(npm|registry)[a-z0-9.-]*\.(org|com|dev|io)\//i
    expect(tree.filter((file) => host.test(read(file)))).toEqual([])
  })

  test('has lock files without addresses', () => {
    const locks = tree.filter((file) => basename(file) === 'package-lock.json')
    expect(locks.length).toBeGreaterThanOrEqual(2)
    expect(locks.filter((file) => /"resolved":/.test(read(file)))).toEqual([])
  })

  test("names no folder of somebody's machine", () => {
    expect(tree.filter((file) => /(?<![\w.])\/(home|Users|work)\/[a-z]+\//.test(read(file)))).toEqual([])
  })
})
