import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ROUTES } from '../../src/server/routes.ts'
import { ENQUEUE_FIELD_NAMES } from '../../src/wire/enqueue-fields.ts'
import { FILTER_NAMES } from '../../src/wire/job-filter.ts'

const docs = readFileSync(new URL('../../docs/http.md', import.meta.url), 'utf8')

test('the documentation lists every route and no other', () => {
  const listed = [...docs.matchAll(/^\| `([A-Z]+ \/[^`]*)` \|/gm)].map(([, route]) => route)
  expect(listed).toHaveLength(ROUTES.length)
  expect(new Set(listed)).toEqual(new Set(ROUTES.map(({ method, path }) => `${method} ${path}`)))
})

test('the documentation names every field of a job and every filter of a list', () => {
  expect(ENQUEUE_FIELD_NAMES.filter((name) => !docs.includes(`\`${name}\``))).toEqual([])
  expect(FILTER_NAMES.filter((name) => !docs.includes(`${name}=`))).toEqual([])
})
