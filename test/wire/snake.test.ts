import { expect, test } from 'vitest'
import { toSnake } from '../../src/wire/snake.ts'

test('renames at every depth and leaves values alone', () => {
  expect(toSnake({ lastHeartbeatAt: 'A B', depth: { deadLetters: 1 }, unservedTypes: ['aB'], pid: null })).toEqual({
    last_heartbeat_at: 'A B',
    depth: { dead_letters: 1 },
    unserved_types: ['aB'],
    pid: null,
  })
})
