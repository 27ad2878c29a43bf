import { expect, test } from 'vitest'
import { formatPath, joinPath } from '../../src/job/json-path.ts'

test('plain keys are joined by dots, others stand in brackets and quotes', () => {
  expect(formatPath([])).toBe('')
  expect(formatPath(['a', 'b', 3])).toBe('a.b[3]')
  expect(formatPath([0, 1, 'a'])).toBe('[0][1].a')
  expect(formatPath(['a.b', '', 'x y', '"', '0', 'é', '__proto__'])).toBe(
    '["a.b"][""]["x y"]["\\""]["0"]["é"].__proto__',
  )
})

test('joins a field and a path inside it', () => {
  expect(joinPath('payload', 'a[1]')).toBe('payload.a[1]')
  expect(joinPath('payload', '[1].a')).toBe('payload[1].a')
  expect(joinPath('payload', '')).toBe('payload')
  expect(joinPath('', 'a')).toBe('a')
})

test('no path is longer than a person reads', () => {
  expect(formatPath(Array.from({ length: 2000 }, () => 'k'.repeat(1e4))).length).toBeLessThan(3000)
  expect(formatPath(['\ud83e'])).toBe(String.raw`["\ud83e"]`)
})
