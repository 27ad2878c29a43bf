import { expect, test } from 'vitest'
import { longestPause } from './pauses.ts'
import { COMMANDS, KINDS, scenariosOf } from './scenario.ts'

test('the same seed gives the same scenarios, however many are asked for, and another seed gives others', () => {
  expect(scenariosOf(7, 200)).toEqual(scenariosOf(7, 200))
  expect(scenariosOf(7, 200).slice(0, 12)).toEqual(scenariosOf(7, 12))
  expect(scenariosOf(8, 12)).not.toEqual(scenariosOf(7, 12))
})

test('every kind is among the first ten, and every kind with every command among the first thirty', () => {
  for (const seed of [1, 2, 3]) {
    const all = scenariosOf(seed, 200)
    expect(new Set(all.slice(0, KINDS.length).map(({ kind }) => kind)).size).toBe(KINDS.length)
    const pairs = all.slice(0, KINDS.length * COMMANDS.length).map(({ kind, command }) => `${kind} ${command}`)
    expect(new Set(pairs).size).toBe(KINDS.length * COMMANDS.length)
  }
})

test('two hundred hold every way to tell, to close the output, to lose the database and to hold a migration', () => {
  const all = scenariosOf(1, 200)
  const has = (condition: (scenario: (typeof all)[number]) => boolean) => expect(all.some(condition)).toBe(true)
  for (const output of ['stdout closed', 'both closed', 'reader gone'] as const) has((one) => one.output === output)
  for (const with_ of ['stdout', 'both']) has(({ output }) => typeof output !== 'string' && output.with === with_)
  for (const how of ['fast', 'immediate', 'kill'] as const) has(({ database }) => database?.how === how)
  has(({ database }) => database !== undefined && database.stopsAtMs === undefined)
  has(({ database }) => database?.backAtMs !== undefined)
  for (const at of ['first', 'between'] as const) has(({ migrationHeld }) => migrationHeld?.at === at)
  has(({ devKilled }) => devKilled)
  has(({ toGroup }) => toGroup)
  has(({ told }) => told.length === 2 && told[1]!.afterMs < 1_000)
  has(({ told }) => told.length === 2 && told[1]!.afterMs > 1_000)
})

test('a pause is counted only while something waits or runs', () => {
  const pause = (acknowledged: [string, number][], completed: [string, number][]) =>
    longestPause(
      new Map(acknowledged),
      completed.map(([job, at]) => ({ job, at })),
    )
  expect(
    pause(
      [
        ['a', 0],
        ['b', 10],
      ],
      [
        ['a', 100],
        ['b', 3_000],
      ],
    ),
  ).toBe(2_900)
  expect(
    pause(
      [
        ['a', 0],
        ['b', 5_000],
      ],
      [
        ['a', 100],
        ['b', 5_100],
      ],
    ),
  ).toBe(100)
  expect(
    pause(
      [
        ['a', 20],
        ['b', 5_000],
      ],
      [
        ['a', 10],
        ['b', 5_100],
      ],
    ),
  ).toBe(100)
})
