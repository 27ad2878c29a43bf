import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Command } from 'commander'
import type { Config } from '../config.ts'
import { type Given, type InForce, invalidConfig, resolveConfig } from '../config/resolve.ts'
import { SETTINGS } from '../config/settings.ts'
import { parseDatabaseUrl } from '../database-url.ts'
import type { Problem } from '../errors.ts'
import { nearest } from '../job/nearest.ts'
import type { Io } from './io.ts'

export interface Settings {
  config: Config
  inForce: InForce[]
  /** The configuration file that was read. */
  file?: string
  /** The database's password in every form in which it could show up. */
  secrets: string[]
}

const FILES = ['forgeq.config.ts', 'forgeq.config.js', 'forgeq.config.json']

/**
 * What is in force for a command: its flags over the environment over the configuration file of the working folder.
 * @throws {ForgeQError} `invalid_config` naming everything that is wrong at once
 */
export async function readSettings({ env, cwd }: Pick<Io, 'env' | 'cwd'>, command: Command): Promise<Settings> {
  const file = configFileIn(cwd)
  const problems = misspeltIn(env)
  const given = [
    ...(file === undefined ? [] : await givenByFile(cwd, file)),
    ...givenByEnv(env),
    ...givenByFlags(command),
  ]
  const resolved = resolveConfig(given, problems)
  return { ...resolved, ...(file !== undefined && { file }), secrets: secretsOf(resolved.config.databaseUrl) }
}

function configFileIn(cwd: string): string | undefined {
  const found = FILES.filter((name) => existsSync(join(cwd, name)))
  if (found.length > 1) throw invalidConfig([{ path: found.join(' and '), message: 'keep one of them' }])
  return found[0]
}

function givenByFlags(command: Command): Given[] {
  return SETTINGS.flatMap(({ key, flag }) => {
    const option = command.options.find(({ flags }) => flags === flag)
    if (!option || command.getOptionValueSource(option.attributeName()) !== 'cli') return []
    return [
      {
        origin: 'flag' as const,
        name: option.long!,
        key,
        value: command.getOptionValue(option.attributeName()) as unknown,
      },
    ]
  })
}

function givenByEnv(env: Io['env']): Given[] {
  return SETTINGS.flatMap((setting) => {
    const name = setting.env.find(
      (known) => env[known] !== undefined && env[known] !== '' && !isFromKubernetes(env[known]),
    )
    return name === undefined ? [] : [{ origin: 'environment' as const, name, key: setting.key, value: env[name] }]
  })
}

// A service named `forgeq` makes Kubernetes set FORGEQ_PORT=tcp://10.0.0.1:8420 in every pod beside it.
const isFromKubernetes = (value: string | undefined): boolean => value?.startsWith('tcp://') ?? false

/** What a handler's process is told; it may call `forgeq` itself. */
const OF_HANDLERS = ['FORGEQ_JOB_ID', 'FORGEQ_JOB_TYPE', 'FORGEQ_ATTEMPT', 'FORGEQ_TOKEN']

/** Variables that look like one of ours: others that begin alike belong to other programs. */
function misspeltIn(env: Io['env']): Problem[] {
  const known = SETTINGS.flatMap((setting) => setting.env)
  return Object.keys(env).flatMap((name) => {
    if (!name.startsWith('FORGEQ_') || known.includes(name) || OF_HANDLERS.includes(name)) return []
    const meant = nearest(
      name.slice(7),
      known.map((other) => other.replace(/^FORGEQ_/, '')),
    )
    const near = meant !== undefined && Math.abs(meant.length - (name.length - 7)) <= 2
    return near ? [{ path: name, message: `is not a setting; did you mean FORGEQ_${meant}?` }] : []
  })
}

async function givenByFile(cwd: string, file: string): Promise<Given[]> {
  const content = await load(join(cwd, file), file)
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw invalidConfig([{ path: file, message: 'must hold one object (a .ts or .js file: as its default export)' }])
  }
  return flatten(content as Record<string, unknown>).map(([key, value]) => ({
    origin: 'file',
    name: `${key} in ${file}`,
    key,
    value,
  }))
}

const isNesting = (key: string): boolean => SETTINGS.some((setting) => setting.key.startsWith(`${key}.`))

function flatten(content: Record<string, unknown>, prefix = ''): [string, unknown][] {
  return Object.entries(content).flatMap(([name, value]): [string, unknown][] => {
    const key = prefix + name
    if (key === '$schema' || value === undefined) return []
    const nested = isNesting(key) && typeof value === 'object' && value !== null
    return nested ? flatten(value as Record<string, unknown>, `${key}.`) : [[key, value]]
  })
}

async function load(path: string, file: string): Promise<unknown> {
  try {
    if (file.endsWith('.json')) return JSON.parse(readFileSync(path, 'utf8').replace(/^\uFEFF/, ''))
    if (file.endsWith('.js')) return ((await import(pathToFileURL(path).href)) as { default?: unknown }).default
    const { createJiti } = await import('jiti')
    return await createJiti(import.meta.url).import(path, { default: true })
  } catch (error) {
    throw invalidConfig([
      { path: file, message: `cannot be read: ${error instanceof Error ? error.message : String(error)}` },
    ])
  }
}

/** The password of a database URL, as it is and percent-encoded. */
export function secretsOf(databaseUrl: string | undefined): string[] {
  const options = databaseUrl === undefined ? undefined : parseDatabaseUrl(databaseUrl).options
  const { password, user, host, database } = options ?? {}
  // A password that is a name beside it is no secret, and masking it would black out half of every line.
  if (!password || [user, host, database, 'postgres', 'forgeq'].includes(password)) return []
  return [...new Set([password, encodeURIComponent(password)])]
}
