import { afterEach, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { answer, answerJson, forgeq, leaveNothing, project, ran } from './processes.ts'

const empty = testDatabase({ template: false })
const older = testDatabase()
const byHand = testDatabase({ template: false })
const contested = testDatabase({ template: false })
afterEach(leaveNothing)

interface Applied {
  version: number
  name: string
  applied_at?: string
}

test('an empty database shows its pending migrations, gets them by any command, and then has none', async () => {
  const env = { DATABASE_URL: empty.url }
  const folder = project()
  const before = await answerJson<Applied[]>(folder, ['migrate', 'status'], { env })
  expect(before.length).toBeGreaterThan(0)
  expect(before.every(({ applied_at }) => applied_at === undefined)).toBe(true)
  const sql = await answer(folder, ['migrate', 'sql'], { env })
  expect(sql).toMatch(/create table forgeq\.jobs/i)

  await answer(folder, ['enqueue', '--type', 'first'], { env })
  const after = await answerJson<Applied[]>(folder, ['migrate', 'status'], { env })
  expect(after.every(({ applied_at }) => applied_at !== undefined)).toBe(true)
  expect(await answer(folder, ['migrate', 'up'], { env })).toContain('up to date')
})

test('the text of migrate sql, run by somebody else, is the schema that every command then accepts', async () => {
  const folder = project()
  const target = byHand.url
  const sql = await answer(folder, ['migrate', 'sql'], { env: { DATABASE_URL: target } })
  await byHand.sql(sql)
  const { code, err } = await ran(folder, ['enqueue', '--type', 'first'], { env: { DATABASE_URL: target } })
  expect(code, err).toBe(0)
  expect(await answer(folder, ['migrate', 'up'], { env: { DATABASE_URL: target } })).toContain('up to date')
  expect(await answer(folder, ['migrate', 'sql'], { env: { DATABASE_URL: target } })).toBe('')
})

test('an external database with an older schema is migrated by migrate up alone; other commands exit 1 and say so', async () => {
  const env = { DATABASE_URL: older.url }
  const folder = project()
  // As if this release had one migration more than the database has seen.
  await older.sql('drop schema forgeq cascade')
  await older.sql('create schema forgeq')
  await older.sql(
    'create table forgeq.migrations (version int primary key, name text not null, applied_at timestamptz not null default now())',
  )
  for (const command of ['enqueue --type t', 'jobs list', 'server --port 0', 'worker']) {
    const { code, err } = await ran(folder, command.split(' '), { env })
    expect(code, err).toBe(1)
    expect(err).toContain('forgeq migrate up')
  }
  await answer(folder, ['migrate', 'up'], { env })
  await answer(folder, ['enqueue', '--type', 't'], { env })
})

test('eight that start at once on an empty database migrate it once', async () => {
  const env = { DATABASE_URL: contested.url }
  const folder = project()
  const runs = await Promise.all(Array.from({ length: 8 }, () => ran(folder, ['migrate', 'up', '--json'], { env })))
  expect(
    runs.map(({ code }) => code),
    runs.map(({ err }) => err).join(''),
  ).toEqual(Array(8).fill(0))
  const applied = runs.map(({ out }) => (JSON.parse(out) as { applied: number[] }).applied)
  expect(applied.filter((versions) => versions.length > 0)).toHaveLength(1)
  await forgeq(folder, ['server', '--port', '0'], { env }).printed('listens on')
})
