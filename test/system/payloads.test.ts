import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { answerJson, leaveNothing, project, ran } from './processes.ts'

const db = testDatabase()
afterEach(leaveNothing)

const enqueue = (folder: string, payload: string, stdin?: string | Uint8Array) =>
  ran(folder, ['enqueue', '--type', 't', '--payload', payload, '--json'], {
    env: { DATABASE_URL: db.url },
    ...(stdin !== undefined && { stdin }),
  })

const jobs = async (): Promise<number> =>
  (await db.sql<{ n: number }>('select count(*)::int as n from forgeq.jobs'))[0]!.n

test.each([
  ['what is left when a shell drops the quotes', '{email:test}', undefined],
  ['what cmd.exe leaves of single quotes', `'{"email":"test"}'`, undefined],
  ['an empty standard input', '-', ''],
  ['a standard input that is not JSON', '-', 'email: test\n'],
])('%s is refused with exit 2, saying that it is not valid JSON and how to send it', async (_, payload, stdin) => {
  const before = await jobs()
  const args = ['enqueue', '--type', 't', '--payload', payload]
  const { code, out, err } = await ran(project(), args, {
    env: { DATABASE_URL: db.url },
    ...(stdin !== undefined && { stdin }),
  })
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toContain('not valid JSON')
  expect(err).toContain('@file')
  expect(err).toMatch(/ - /)
  expect(await jobs()).toBe(before)
})

test('files and standard input in UTF-8 with a byte order mark, and in UTF-16LE with one, are enqueued as they mean', async () => {
  const folder = project()
  const text = '{"email":"zoë@example.com","n":1.10}'
  writeFileSync(join(folder, 'bom.json'), `\uFEFF${text}`)
  writeFileSync(join(folder, 'utf16.json'), Buffer.from(`\uFEFF${text}`, 'utf16le'))
  for (const [payload, stdin] of [['@bom.json'], ['@utf16.json'], ['-', `\uFEFF${text}`], ['-', text]] as const) {
    const { code, out, err } = await enqueue(folder, payload, stdin)
    expect(code, err).toBe(0)
    expect(out).toContain('"n":1.10')
    expect(JSON.parse(out)).toMatchObject({ payload: { email: 'zoë@example.com' }, state: 'pending' })
  }
})

test('a file in another encoding is refused with exit 2, naming the encoding', async () => {
  const folder = project()
  writeFileSync(join(folder, 'bare16.json'), Buffer.from('{"a":1}', 'utf16le'))
  writeFileSync(join(folder, 'latin1.json'), Buffer.from('{"a":"é"}', 'latin1'))
  expect(await enqueue(folder, '@bare16.json')).toMatchObject({
    code: 2,
    err: expect.stringContaining('UTF-16') as string,
  })
  expect(await enqueue(folder, '@latin1.json')).toMatchObject({
    code: 2,
    err: expect.stringContaining('UTF-8') as string,
  })
  expect(await enqueue(folder, '@none.json')).toMatchObject({
    code: 2,
    err: expect.stringContaining('no file none.json') as string,
  })
})

test('NDJSON as Windows tools write it is enqueued in order; a broken line is named as an editor counts, and nothing is stored', async () => {
  const folder = project()
  const env = { DATABASE_URL: db.url }
  const line = (n: number) => `{"type":"t","payload":{"n":${n}}}`
  const { code, out } = await ran(folder, ['enqueue', '--ndjson'], {
    env,
    stdin: `\uFEFF${line(1)}\r\n\r\n${line(2)}\r\n\r\n${line(3)}`,
  })
  expect(code).toBe(0)
  const ids = out
    .trimEnd()
    .split('\n')
    .map((row) => row.split('\t')[0]!)
  const payloads = await Promise.all(
    ids.map((id) => answerJson<{ payload: unknown }>(folder, ['jobs', 'show', id], { env })),
  )
  expect(payloads.map(({ payload }) => payload)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])

  const before = await jobs()
  const broken = await ran(folder, ['enqueue', '--ndjson'], {
    env,
    stdin: `\uFEFF${line(1)}\r\n\r\n${line(2)}\r\n\r\n{"type":`,
  })
  expect(broken).toMatchObject({ code: 2, out: '', err: expect.stringContaining('line 5') as string })
  expect(await jobs()).toBe(before)
})
