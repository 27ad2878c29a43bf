import { describe, expect, test } from 'vitest'
import { type Import, importsOf, read, sources, withoutComments } from './support/source-tree.ts'

interface Room {
  name: string
  /** Files, and folders that end with a slash. */
  files: string[]
  mayImport: string[]
}

/** The table of docs/architecture.md: what people read is what is enforced. */
function rooms(): Room[] {
  const rows = read('docs/architecture.md').split('## The rooms')[1]!.split('\n## ')[0]!.split('\n')
  const codes = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
  return rows
    .filter((row) => row.startsWith('| `'))
    .map((row) => {
      const [name, files, mayImport] = row.split('|').slice(1, 4).map(codes)
      return { name: name![0]!, files: files!, mayImport: mayImport! }
    })
}

const ROOMS = rooms()
const FILES = sources()
const IMPORTS = FILES.flatMap(importsOf)

const roomOf = (path: string): Room | undefined =>
  ROOMS.find(({ files }) => files.some((own) => (own.endsWith('/') ? path.startsWith(own) : path === own)))

const named = (broken: Import[]) => broken.map(({ file, specifier }) => `${file} imports ${specifier}`)

const packageOf = (specifier: string): string => /^(@[^/]+\/)?[^/]+/.exec(specifier)![0]

/** Packages that belong to one or two rooms; the others are anybody's. */
const PACKAGES: Record<string, string[]> = {
  pg: ['store', 'embedded'],
  hono: ['server'],
  '@hono/node-server': ['server'],
  zod: ['wire', 'server'],
  commander: ['cli'],
  'cli-table3': ['cli'],
  'cli-progress': ['cli'],
  chokidar: ['cli'],
  jiti: ['worker', 'cli'],
  'prom-client': ['server', 'worker', 'app'],
}

describe('the import table', () => {
  test('sees the files and imports of the product', () => {
    expect(FILES.length).toBeGreaterThan(100)
    expect(IMPORTS.length).toBeGreaterThan(300)
    expect(ROOMS.length).toBeGreaterThanOrEqual(16)
  })

  test('gives every file a room, and names only rooms that exist', () => {
    expect(FILES.filter((file) => !roomOf(file))).toEqual([])
    const names = ROOMS.map(({ name }) => name)
    expect(ROOMS.flatMap(({ mayImport }) => mayImport).filter((name) => !names.includes(name))).toEqual([])
  })

  test('is kept by every import', () => {
    const broken = IMPORTS.filter(({ file, target }) => {
      if (target === undefined || target.startsWith('src/store/generated/')) return false
      const [from, to] = [roomOf(file), roomOf(target)]
      return from && from !== to && !(to && from.mayImport.includes(to.name))
    })
    expect(named(broken)).toEqual([])
  })

  test('goes one way: no room imports another that imports it', () => {
    const reaches = (from: string, seen = new Set<string>()): Set<string> => {
      for (const next of ROOMS.find(({ name }) => name === from)!.mayImport)
        if (!seen.has(next)) reaches(next, seen.add(next))
      return seen
    }
    expect(ROOMS.filter(({ name }) => reaches(name).has(name)).map(({ name }) => name)).toEqual([])
  })

  test('keeps packages in the rooms that they belong to', () => {
    const broken = IMPORTS.filter(({ file, specifier, target }) => {
      const owners = target === undefined ? PACKAGES[packageOf(specifier)] : undefined
      return owners && !owners.includes(roomOf(file)!.name)
    })
    expect(named(broken)).toEqual([])
  })

  test('keeps job, errors, wire and client free of Node, and job and errors of packages', () => {
    const broken = IMPORTS.filter(({ file, specifier, target }) => {
      const room = roomOf(file)!.name
      if (target !== undefined || !['job', 'errors', 'wire', 'client'].includes(room)) return false
      return specifier.startsWith('node:') || room === 'job' || room === 'errors' || packageOf(specifier) !== 'zod'
    })
    expect(named(broken)).toEqual([])
  })
})

test('job, errors and wire do no I/O by globals either', () => {
  const pure = FILES.filter((file) => ['job', 'errors', 'wire'].includes(roomOf(file)!.name))
  const uses = /\b(process\.(?!hrtime)|fetch\(|setTimeout\(|setInterval\(|console\.|globalThis\.|require\()/
  expect(pure.length).toBeGreaterThan(30)
  expect(pure.filter((file) => uses.test(withoutComments(read(file))))).toEqual([])
})

test('config never reads the environment', () => {
  const files = FILES.filter((file) => roomOf(file)!.name === 'config')
  expect(files.length).toBeGreaterThan(3)
  expect(files.filter((file) => /process\.env/.test(withoutComments(read(file))))).toEqual([])
})

test('a program that enqueues loads neither server, command line nor embedded PostgreSQL', () => {
  const loaded = new Set(['src/index.ts'])
  for (const file of loaded) {
    for (const { target, lazy } of importsOf(file))
      if (target !== undefined && !lazy && !target.includes('/generated/')) loaded.add(target)
  }
  expect(loaded.size).toBeGreaterThan(40)
  expect([...loaded].filter((file) => /^src\/(server|cli|embedded)\//.test(file))).toEqual([])
})

describe('SQL', () => {
  const SQL =
    /\b(insert into|delete from|select\s[^;]{0,400}?\sfrom\s|update\s+[a-z_.]+\s+(as\s+[a-z]+\s+)?set\s|create (table|database|index)|alter table|drop table)\b/
  /** A cluster is made and given its database before there is anything for the store to connect to. */
  const EXCEPT = new Set(['src/embedded/cluster.ts'])

  const texts = (file: string) => [...withoutComments(read(file)).matchAll(/`[^`]*`|'[^'\n]*'/g)].map(([text]) => text)

  test('is written in the store and nowhere else', () => {
    expect(
      FILES.filter((file) => file.startsWith('src/store/') && texts(file).some((text) => SQL.test(text))).length,
    ).toBeGreaterThan(10)
    const others = FILES.filter((file) => !file.startsWith('src/store/') && !EXCEPT.has(file))
    expect(others.filter((file) => texts(file).some((text) => SQL.test(text)))).toEqual([])
  })

  test('has a name for each statement, and each name once', () => {
    const store = FILES.filter((file) => file.startsWith('src/store/'))
    const names = store.flatMap((file) =>
      [...read(file).matchAll(/\/\* (forgeq:[a-z_]+) \*\//g)].map(([, name]) => name!),
    )
    expect(names.length).toBeGreaterThan(40)
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  })
})
