import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Options, readOptions, replayOf } from './options.ts'

let product: string

beforeAll(() => {
  product = mkdtempSync(join(tmpdir(), 'forgeq-product-'))
  mkdirSync(join(product, 'dist', 'cli'), { recursive: true })
  writeFileSync(join(product, 'dist', 'cli', 'main.js'), '')
})
afterAll(() => rmSync(product, { recursive: true }))

const read = (...args: string[]) => readOptions(['--product', product, ...args], ['a', 'b', 'c']) as Options

test('the command that is printed for a replay means the same options', () => {
  const options = read('--seed', '7', '--minutes', '0.5', '--faults', 'a,c')
  const [, args = ''] = replayOf(options).split(' -- ')
  expect(readOptions(args.split(' '), ['a', 'b', 'c'])).toEqual(options)
  expect(options).toMatchObject({ seed: 7, minutes: 0.5, faults: ['a', 'c'], product })
})

test('without a seed one is drawn, for two minutes', () => {
  const options = read()
  expect(Number.isInteger(options.seed)).toBe(true)
  expect(options.minutes).toBe(2)
  expect(options.faults).toBeUndefined()
})

test.each([
  [['--faults', 'a,d'], 'no such fault: d; there are a, b, c'],
  [['--seed', 'x'], '--seed is a whole number'],
  [['--minutes', '0'], '--minutes is a number above 0'],
])('%j is refused in words', (args, why) => {
  expect(() => read(...args)).toThrow(why)
})

test('a product that is not built is refused', () => {
  expect(() => readOptions(['--product', join(product, 'dist')], [])).toThrow('has no dist/cli/main.js')
})
