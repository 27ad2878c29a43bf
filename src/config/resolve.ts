import { DEFAULTS, type Config } from '../config.ts'
import { maskDatabaseUrl, parseDatabaseUrl } from '../database-url.ts'
import { ForgeQError, type Problem } from '../errors.ts'
import { formatDuration } from '../job/duration.ts'
import { nearest } from '../job/nearest.ts'
import { check } from './check.ts'
import { SETTINGS, type Kind, type Setting } from './settings.ts'

export const ORIGINS = ['default', 'file', 'environment', 'flag'] as const
export type Origin = (typeof ORIGINS)[number]

/** A value that somebody gave, not yet checked. `name` is what they typed: `--port`, `FORGEQ_PORT`, `port in forgeq.config.json`. */
export interface Given {
  origin: Origin
  name: string
  key: string
  value: unknown
}

/** What is in force for one key, as people would write it, and where it came from. */
export interface InForce {
  key: string
  value: string | undefined
  origin: Origin
  name?: string
}

/**
 * Checks everything given and lays it over the defaults: flag beats environment beats file.
 * `found` is what the caller has seen to be wrong already, so that everything is named together.
 *
 * @throws {ForgeQError} `invalid_config` whose `errors` name every bad value and unknown key at once
 */
export function resolveConfig(
  given: readonly Given[],
  found: readonly Problem[] = [],
): { config: Config; inForce: InForce[] } {
  const problems = [...found]
  const chosen = new Map<string, Given & { checked: unknown }>()
  for (const item of given) {
    const setting = SETTINGS.find(({ key }) => key === item.key)
    if (!setting) {
      problems.push({ path: item.name, message: unknownKey(item.key) })
      continue
    }
    const answer = check(setting.kind, item.value)
    if (answer.problem !== undefined) problems.push({ path: item.name, message: answer.problem })
    const before = chosen.get(item.key)
    if (!before || ORIGINS.indexOf(before.origin) <= ORIGINS.indexOf(item.origin)) {
      chosen.set(item.key, { ...item, checked: answer.value })
    }
  }
  const config = assemble(chosen)
  if (problems.length === 0) problems.push(...contradictions(config))
  if (problems.length > 0) throw invalidConfig(problems)
  return { config, inForce: SETTINGS.map((setting) => inForceOf(setting, config, chosen.get(setting.key))) }
}

export const invalidConfig = (errors: Problem[]): ForgeQError =>
  new ForgeQError('invalid_config', errors.map(({ path, message }) => `${path}: ${message}`).join('\n'), {
    errors,
    hint: 'forgeq config shows what is in force and where it came from',
  })

function unknownKey(key: string): string {
  const known = nearest(
    key,
    SETTINGS.map((setting) => setting.key),
  )
  return known === undefined ? 'is not a setting' : `is not a setting; did you mean ${known}?`
}

const fieldOf = ({ key, kind }: Setting): string => key + ({ duration: 'Ms', size: 'Bytes' }[kind.is as string] ?? '')

function assemble(chosen: Map<string, Given & { checked: unknown }>): Config {
  const config: Record<string, unknown> = { ...DEFAULTS, retention: { ...DEFAULTS.retention } }
  for (const setting of SETTINGS) {
    const checked = chosen.get(setting.key)?.checked
    if (checked === undefined) continue
    const [first, second] = fieldOf(setting).split('.') as [string, string | undefined]
    if (second === undefined) config[first] = checked
    else (config[first] as Record<string, unknown>)[second] = checked
  }
  config.handlersNamed = chosen.has('handlers')
  Object.freeze(config.retention)
  return Object.freeze(config) as unknown as Config
}

function contradictions({ leaseMs, heartbeatMs }: Config): Problem[] {
  if (heartbeatMs * 2 <= leaseMs) return []
  return [
    {
      path: 'heartbeat',
      message: `must be at most half of lease, or one late beat loses every job (lease is ${formatDuration(leaseMs)})`,
    },
  ]
}

function inForceOf(setting: Setting, config: Config, given: Given | undefined): InForce {
  const [first, second] = fieldOf(setting).split('.') as [string, string | undefined]
  const top = (config as unknown as Record<string, unknown>)[first]
  const value = second === undefined ? top : (top as Record<string, unknown>)[second]
  return {
    key: setting.key,
    value: show(setting.kind, value),
    ...(given ? { origin: given.origin, name: given.name } : { origin: 'default' }),
  }
}

function show({ is }: Kind, value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (is === 'duration') return formatDuration(value as number)
  if (is === 'queues') {
    const queues = Object.entries(value as Record<string, number | null>)
    return queues.map(([name, slots]) => (slots === null ? name : `${name}=${slots}`)).join(',')
  }
  if (is !== 'databaseUrl') return typeof value === 'string' ? value : JSON.stringify(value)
  const { options } = parseDatabaseUrl(value as string)
  return options ? maskDatabaseUrl(options) : '***'
}

/** What holds for each key when nothing is said, for the help: `25s`. */
export const DEFAULT_TEXTS: ReadonlyMap<string, string> = new Map(
  resolveConfig([]).inForce.flatMap(({ key, value }) => (value === undefined ? [] : [[key, value] as const])),
)
