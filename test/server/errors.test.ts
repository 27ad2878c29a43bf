import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ERROR_CODES } from '../../src/errors.ts'
import { STATUS, TITLES } from '../../src/server/status.ts'

/** Rows of the table in docs/errors.md: code, status, title. */
const rows = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  .split('\n')
  .map((line) => /^\| `([a-z_]+)` \| (\d{3}) \| ([^|]+?) \|/.exec(line))
  .filter((match) => match !== null)
  .map(([, code, status, title]) => ({ code, status: Number(status), title }))

test('the documentation, the statuses and the list of codes agree', () => {
  expect(rows).toEqual(ERROR_CODES.map((code) => ({ code, status: STATUS[code], title: TITLES[code] })))
})
