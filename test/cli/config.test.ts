import { expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { resolveConfig, type Given, type Origin } from '../../src/config/resolve.ts'
import { SETTINGS } from '../../src/config/settings.ts'
import { ForgeQError } from '../../src/errors.ts'

const given = (origin: Origin, key: string, value: unknown): Given => ({
  origin,
  name: `${key} by ${origin}`,
  key,
  value,
})

function problemsOf(...items: Given[]): { path: string; message: string }[] {
  try {
    resolveConfig(items)
  } catch (error) {
    if (error instanceof ForgeQError && error.code === 'invalid_config') return error.errors
    throw error
  }
  return []
}

test('gives the defaults when nothing is said', () => {
  expect(resolveConfig([]).config).toEqual(DEFAULTS)
})

test('flag beats environment beats file, in whatever order they come', () => {
  const all = [given('flag', 'port', '1'), given('file', 'port', 3), given('environment', 'port', '2')]
  expect(resolveConfig(all).config.port).toBe(1)
  expect(resolveConfig(all.slice(1)).config.port).toBe(2)
  expect(resolveConfig(all.slice(1, 2)).config.port).toBe(3)
})

test('says of each key what is in force and where it came from', () => {
  const { inForce } = resolveConfig([given('environment', 'grace', 'PT90S'), given('file', 'retention.dead', '30d')])
  expect(inForce.find(({ key }) => key === 'grace')).toEqual({
    key: 'grace',
    value: '90s',
    origin: 'environment',
    name: 'grace by environment',
  })
  expect(inForce.find(({ key }) => key === 'retention.dead')?.value).toBe('30d')
  expect(inForce.find(({ key }) => key === 'port')).toEqual({ key: 'port', value: '8420', origin: 'default' })
})

test('keeps durations in milliseconds and sizes in bytes', () => {
  const { config } = resolveConfig([
    given('file', 'grace', '2m'),
    given('file', 'maxPayload', '2MiB'),
    given('file', 'maxResult', 4096),
    given('file', 'retention.completed', '1h'),
  ])
  expect(config).toMatchObject({ graceMs: 120_000, maxPayloadBytes: 2_097_152, maxResultBytes: 4096 })
  expect(config.retention).toEqual({ ...DEFAULTS.retention, completedMs: 3_600_000 })
})

test('reads queues as text, as a list and as an object', () => {
  const expected = { emails: 5, reports: null }
  for (const value of ['emails=5,reports', ['emails=5', 'reports'], { emails: 5, reports: null }]) {
    expect(resolveConfig([given('file', 'queues', value)]).config.queues).toEqual(expected)
  }
  for (const value of ['', 'emails=0', 'emails=x', 'a,a', 'a/b', 5, [], 'a=1=2', '__proto__=1']) {
    expect(problemsOf(given('flag', 'queues', value)), JSON.stringify(value)).toHaveLength(1)
  }
})

test('reads switches in the words that people use', () => {
  for (const [word, is] of [
    ['true', true],
    ['0', false],
    ['yes', true],
    ['OFF', false],
    [true, true],
  ] as const) {
    expect(resolveConfig([given('environment', 'loops', word)]).config.loops).toBe(is)
  }
  expect(problemsOf(given('environment', 'loops', 'maybe'))).toHaveLength(1)
})

test('names every bad value and unknown key at once, with what may have been meant', () => {
  const problems = problemsOf(
    given('flag', 'port', '70000'),
    given('environment', 'grace', '30'),
    given('file', 'concurency', 5),
    given('file', 'logLevel', 'wran'),
    given('environment', 'databaseUrl', 'postgres://bob:p@ss@h/app'),
  )
  expect(problems.map(({ path }) => path)).toEqual([
    'port by flag',
    'grace by environment',
    'concurency by file',
    'logLevel by file',
    'databaseUrl by environment',
  ])
  expect(problems[2]?.message).toContain('did you mean concurrency?')
  expect(problems[3]?.message).toContain('did you mean warn?')
  expect(JSON.stringify(problems)).not.toContain('p@ss')
})

test('refuses a heartbeat that one lost packet would make too late', () => {
  expect(problemsOf(given('flag', 'lease', '4s'))[0]?.path).toBe('heartbeat')
  expect(problemsOf(given('flag', 'lease', '4s'), given('flag', 'heartbeat', '2s'))).toEqual([])
})

test('says whether somebody named the handlers folder, also when it is the default', () => {
  expect(resolveConfig([]).config.handlersNamed).toBe(false)
  expect(resolveConfig([given('flag', 'handlers', './handlers')]).config.handlersNamed).toBe(true)
})

test('never shows the password of a database', () => {
  const { inForce } = resolveConfig([given('flag', 'databaseUrl', 'postgres://bob:geheim@h/app')])
  expect(inForce.find(({ key }) => key === 'databaseUrl')?.value).toBe('postgres://bob:***@h:5432/app')
})

test('every setting has one flag, at least one variable and a key, and none twice', () => {
  expect(SETTINGS.length).toBeGreaterThan(20)
  for (const names of [
    SETTINGS.map(({ key }) => key),
    SETTINGS.map(({ flag }) => flag),
    SETTINGS.flatMap(({ env }) => env),
  ]) {
    expect(new Set(names).size).toBe(names.length)
  }
})
