import { UUID } from 'uuidv7'
import { expect, test } from 'vitest'
import { isUuidV7, msFromId } from '../../src/job/id.ts'
import { newId } from '../../src/queue/new-id.ts'

test('makes UUIDv7s in their one form, each later than the one before', () => {
  const from = Date.now()
  const ids = Array.from({ length: 10_000 }, newId)
  expect(ids.every(isUuidV7)).toBe(true)
  expect(ids.every((id) => UUID.parse(id).toString() === id)).toBe(true)
  expect(ids.slice(1).every((id, index) => id > ids[index]!)).toBe(true)
  expect(msFromId(ids[0]!)).toBeGreaterThanOrEqual(from)
})
