import { constants } from 'node:fs'
import { access, readdir, stat } from 'node:fs/promises'
import { dirname, extname, join, relative, sep } from 'node:path'
import { createJiti } from 'jiti'
import { ForgeQError } from '../errors.ts'
import { isTypeName } from '../job/name.ts'
import { definitionOf, handlerOfDefinition } from './definition.ts'
import { executableHandler } from './executable.ts'
import { type Handler, handlerSet, type HandlerSet, type RunningJob } from './handler.ts'

const MODULES = new Set(['.ts', '.mts', '.js', '.mjs', '.cts', '.cjs'])

/**
 * Reads a folder of handlers: `send_email.ts` serves type `send_email`, `users/welcome.ts` serves `users/welcome`; an
 * executable file of any language serves its type too. What gives no handler is told in `problems`. Only names that are
 * found here are ever run: nothing in a job chooses a file.
 */
export async function loadHandlers(folder: string): Promise<HandlerSet> {
  const problems: HandlerSet['problems'] = []
  const found = new Map<string, Handler>()
  const load = importer(folder)
  for (const file of await filesBelow(folder)) {
    const shown = relative(folder, file)
    try {
      const handler = await handlerFrom(file, typeOf(shown), load)
      if (!handler) continue
      const other = found.get(handler.type)
      if (other) throw new TypeError(`${relative(folder, other.source)} serves type ${handler.type} already`)
      found.set(handler.type, handler)
    } catch (error) {
      problems.push({ file: shown, message: messageOf(error) })
    }
  }
  return handlerSet(found.values(), problems)
}

/** The handler of one module, as `loadHandlers` gives it. @throws what the module throws, or what is wrong with it */
export const loadModuleHandler = (file: string, type: string): Promise<Handler> =>
  moduleHandler(file, type, importer(dirname(file)))

function importer(folder: string): (path: string) => Promise<unknown> {
  const jiti = createJiti(join(folder, 'index.ts'), {
    moduleCache: true,
    fsCache: false,
    interopDefault: true,
    tsconfigPaths: true,
  })
  return (path) => jiti.import(path)
}

/** Throws `handler_invalid`, naming every file that gave no handler and why. */
export function requireSound({ problems }: HandlerSet, folder: string): void {
  if (problems.length === 0) return
  throw new ForgeQError(
    'handler_invalid',
    `${problems.length === 1 ? 'a handler file does' : 'handler files do'} not load in ${folder}`,
    {
      hint: 'mend or remove the files named, then start the worker again',
      errors: problems.map(({ file, message }) => ({ path: file, message })),
    },
  )
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter(
      (file) =>
        !relative(folder, file)
          .split(sep)
          .some((part) => part.startsWith('.') || part === 'node_modules'),
    )
    .filter((file) => !/\.d\.[cm]?ts$/.test(file))
    .sort()
}

const typeOf = (shown: string): string =>
  shown
    .slice(0, shown.length - extname(shown).length)
    .split(sep)
    .join('/')

async function handlerFrom(
  file: string,
  type: string,
  load: (path: string) => Promise<unknown>,
): Promise<Handler | undefined> {
  const isModule = MODULES.has(extname(file))
  if (!isModule && !(await isExecutable(file))) return undefined
  if (!isTypeName(type)) throw new TypeError(`its name gives no type: ${JSON.stringify(type)}`)
  return isModule ? moduleHandler(file, type, load) : executableHandler(type, file)
}

async function moduleHandler(file: string, type: string, load: (path: string) => Promise<unknown>): Promise<Handler> {
  const module = (await load(file)) as { default?: unknown } | null
  const exported = module && typeof module === 'object' && 'default' in module ? module.default : module
  const definition = definitionOf(exported)
  if (definition) {
    if (definition.type !== type) throw new TypeError(`it defines type ${definition.type}, but its name says ${type}`)
    return { ...handlerOfDefinition(definition, file), apart: 'module' }
  }
  if (typeof exported !== 'function')
    throw new TypeError('it has no default export that is a function or made by defineJob')
  return {
    type,
    source: file,
    apart: 'module',
    run: (payload, job) => (exported as (payload: unknown, job: RunningJob) => unknown)(payload, job),
  }
}

async function isExecutable(file: string): Promise<boolean> {
  try {
    await access(file, constants.X_OK)
    return (await stat(file)).isFile()
  } catch {
    return false
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
