import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

export const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

const GENERATED = 'src/store/generated/'

/** Every TypeScript file of the product, as `src/queue/list.ts`. */
export const sources = (): string[] =>
  readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .map((path) => `src/${path.replaceAll('\\', '/')}`)
    .filter((path) => path.endsWith('.ts') && !path.startsWith(GENERATED))
    .sort()

/** Every text file of the project: what git tracks and what it would track; without git, what lies there. */
export function treeFiles(): string[] {
  const listed = existsSync(join(ROOT, '.git'))
    ? execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
        cwd: ROOT,
        encoding: 'utf8',
      }).split('\0')
    : readdirSync(ROOT, { recursive: true, encoding: 'utf8' }).filter(
        (path) => !/(^|\/)(node_modules|dist|\.forgeq|out)\//.test(path),
      )
  return listed.filter((path) => TEXT.test(path) && statSync(join(ROOT, path), { throwIfNoEntry: false })?.isFile())
}

const TEXT = /\.(ts|js|mjs|cjs|json|md|sql|ya?ml|sh|txt)$|(^|\/)(Dockerfile|LICENSE|run|\.[a-z]+rc|\.gitignore)$/

export interface Import {
  file: string
  /** As written. */
  specifier: string
  /** The file it leads to; absent for packages and Node's own modules. */
  target?: string
  /** Only for types, or only when it is called for: nothing of it is loaded with the file. */
  lazy: boolean
}

/** The imports of one file, static and dynamic, re-exports too. */
export function importsOf(file: string): Import[] {
  const text = withoutComments(read(file))
  const found = [
    ...text.matchAll(/^\s*(?:import|export)\s+(?<type>type\s)?(?:[^'"]*?\sfrom\s+)?['"](?<specifier>[^'"\n]+)['"]/gm),
    ...text.matchAll(/(?<lazy>\bimport)\(\s*['"](?<specifier>[^'"\n]+)['"]/g),
  ]
  return found.map(({ groups }) => {
    const { specifier, type, lazy } = groups as { specifier: string; type?: string; lazy?: string }
    return {
      file,
      specifier,
      lazy: type !== undefined || lazy !== undefined,
      ...(specifier.startsWith('.') && { target: posix.join(posix.dirname(file), specifier) }),
    }
  })
}

/** Comments may name what code may not use. Not a parser: good enough for code in this tree's format. */
export const withoutComments = (text: string): string =>
  text.replaceAll(/\/\*\*[^]*?\*\//g, '').replaceAll(/(^|\s)\/\/ .*$/gm, '$1')
