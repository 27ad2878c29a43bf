import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Job } from '../../src/job/job.ts'
import { executableHandler } from '../../src/worker/executable.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob, jobOf } from '../support/factory.ts'
import { handler, handlers, type TestWorker, testWorker, until } from '../support/worker.ts'
import { JSON_TEXTS, type JsonText } from './json-texts.ts'
import { bytesOf } from './sent.ts'

/** Whatever a program prints, as the bytes that it is, and the code that it exits with. */
interface Program {
  name: string
  out?: string | Uint8Array
  err?: string | Uint8Array
  exit?: number
}
interface Ended extends Program {
  /** The stored result as JSON, or what its error looks like. */
  becomes: { json: unknown } | { message: string | RegExp; truncated?: true }
}

const repeated = (text: string, count: number) => Array(count).fill(text).join(',')
const marker = (bytes: number) => ({ forgeq_truncated: true, bytes })
const failed = '\n(the program ended with exit code 1)'

/** What is printed and is no payload of the other table, or comes to something else here. */
const OUT: Ended[] = [
  { name: 'a byte order mark before its result', out: '\ufeff{"a":1}\n', becomes: { json: { a: 1 } } },
  {
    name: 'half a character and nothing more',
    out: new Uint8Array([0xf0, 0x9f]),
    becomes: { message: /not a result/ },
  },
  { name: 'NUL alone', out: '\0', becomes: { message: /not a result/ } },
  { name: 'only white space', out: ' \r\n\t', becomes: { json: null } },
  {
    name: '1.5 MB of digits that a float would make short',
    out: `[${repeated('0.1000000000000000055511151231257827', 40_000)}]`,
    becomes: { json: marker(40_000 * 38) },
  },
  {
    name: 'numbers that are infinite as floats, 2 MB as they are stored',
    out: `[${repeated('1e999', 2_000)}]`,
    becomes: { json: marker(2_000 * 1_002) },
  },
  {
    name: 'numbers of 100 MB as they are stored',
    out: `[${repeated('1e999', 100_000)}]`,
    becomes: { json: marker(100_000 * 1_002) },
  },
]

const ERR: Ended[] = [
  { name: 'nothing', becomes: { message: 'the program ended with exit code 1' } },
  { name: 'NUL', err: 'a\0b', becomes: { message: `a\ufffdb${failed}` } },
  {
    name: 'bytes that are not UTF-8',
    err: new Uint8Array([0x61, 0xff, 0xfe, 0x62]),
    becomes: { message: `a\ufffd\ufffdb${failed}` },
  },
  {
    name: 'UTF-8 of a surrogate',
    err: new Uint8Array([0xed, 0xa0, 0x80]),
    becomes: { message: `\ufffd\ufffd\ufffd${failed}` },
  },
  {
    name: 'half a character at its end',
    err: new Uint8Array([0x61, 0xf0, 0x9f]),
    becomes: { message: `a\ufffd${failed}` },
  },
  { name: 'terminal escapes', err: '\x1b[2J\x9b31m\u202e', becomes: { message: `\x1b[2J\x9b31m\u202e${failed}` } },
  {
    name: '10,000 lines, the last one with the reason',
    err: `${'some words before\n'.repeat(10_000)}the disk is full\n`,
    becomes: { message: /words before\nthe disk is full\n\(the program ended with exit code 1\)$/, truncated: true },
  },
  {
    name: '5 MB without an end of line',
    err: 'x'.repeat(5_000_000),
    becomes: { message: /^…?x{8000,}\n\(the program ended with exit code 1\)$/, truncated: true },
  },
  {
    name: '300,000 lions',
    err: `x${'🦁'.repeat(300_000)}`,
    becomes: { message: /^…?🦁{2000,}\n\(the program ended with exit code 1\)$/u, truncated: true },
  },
  {
    name: 'a reason behind what cannot be retried',
    exit: 65,
    err: `${'x'.repeat(20_000)} no such account`,
    becomes: { message: /x no such account\n\(the program ended with exit code 65\)$/, truncated: true },
  },
].map((one) => ({ exit: 1, ...one }) as Ended)

const db = testDatabase()
let folder: string
let worker: TestWorker
const jobs = new Map<string, Job>()
const GOOD = 50
/** Of more than 4 MiB only the number of bytes is kept. */
const MOST_PRINTED = 4_194_304

const PROGRAMS: [kind: string, program: Program][] = [
  ...JSON_TEXTS.map((text): [string, Program] => ['json', { name: text.name, out: text.json() }]),
  ...OUT.map((program): [string, Program] => ['out', program]),
  ...ERR.map((program): [string, Program] => ['err', program]),
]

async function written(n: number, { out = '', err = '', exit = 0 }: Program): Promise<string> {
  const file = join(folder, `program-${n}`)
  await writeFile(`${file}.out`, bytesOf(out))
  await writeFile(`${file}.err`, bytesOf(err))
  await writeFile(file, `#!/bin/sh\ncat "$0.out"\ncat "$0.err" >&2\nexit ${exit}\n`)
  await chmod(file, 0o755)
  return file
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'values-'))
  const programs = await Promise.all(PROGRAMS.map(([, program], n) => written(n, program)))
  worker = await testWorker({
    db: db.pool,
    connection: db.connection,
    concurrency: 12,
    leaseMs: 120_000,
    stallLimitMs: 120_000,
    kept: true,
    handlers: handlers(
      ...programs.map((file, n) => executableHandler(`program-${n}`, file)),
      handler('good', ({ n }) => ({ n })),
    ),
  })
  const ids = new Map<string, string>()
  for (const [n, [kind, { name }]] of PROGRAMS.entries())
    ids.set(`${kind} ${name}`, await insertJob(db.pool, { type: `program-${n}` }))
  for (let n = 0; n < GOOD; n++) ids.set(`good ${n}`, await insertJob(db.pool, { type: 'good', payload: { n } }))
  for (const [name, id] of ids) {
    const job = await until(
      `the program of "${name}" has its outcome`,
      async () => {
        const one = await jobOf(db.pool, id)
        return one.state !== 'running' && one.state !== 'pending' && one
      },
      { withinMs: 120_000 },
    )
    jobs.set(name, job as Job)
  }
}, 200_000)
afterAll(async () => {
  await worker?.stop({ graceMs: 0 })
  await rm(folder, { recursive: true, force: true })
})

test('all other jobs of the worker are completed', () => {
  for (let n = 0; n < GOOD; n++) expect(jobs.get(`good ${n}`)).toMatchObject({ state: 'completed', attempt: 1 })
  expect(worker.log.filter(({ msg }) => /could not be stored|were not answered/.test(String(msg)))).toEqual([])
})

function expectEnded(job: Job, becomes: Ended['becomes']): void {
  if ('json' in becomes) {
    expect(job).toMatchObject({ state: 'completed', attempt: 1 })
    expect(JSON.parse(job.resultJson!)).toEqual(becomes.json)
    return
  }
  expect(job.state).toMatch(/^(retrying|dead)$/)
  const { message, truncated } = job.error!
  if (typeof becomes.message === 'string') expect(message).toBe(becomes.message)
  else expect(message).toMatch(becomes.message)
  expect(truncated).toBe(becomes.truncated)
}

describe('a program that prints', () => {
  test.each(OUT)('$name has one outcome', ({ name, becomes }) => expectEnded(jobs.get(`out ${name}`)!, becomes))

  test.each(JSON_TEXTS)('$name has it as its result to the last digit, or fails with its place', async (text) => {
    const job = jobs.get(`json ${text.name}`)!
    const printed = Buffer.from(bytesOf(text.json())).toString('utf8').trim()
    if (text.refused?.code === 'payload_too_large' || printed.length > MOST_PRINTED) {
      expect(job).toMatchObject({ state: 'completed', attempt: 1 })
      expect(JSON.parse(job.resultJson!)).toMatchObject({ forgeq_truncated: true, bytes: expect.any(Number) as number })
    } else if (isResult(text, printed)) {
      const [same] = await db.sql<{ same: boolean }>(
        'select $1::text = ($2::text)::jsonb::text as same',
        job.resultJson,
        printed || 'null',
      )
      expect({ state: job.state, ...same }).toEqual({ state: 'completed', same: true })
    } else {
      expect(job).toMatchObject({ state: 'retrying', attempt: 1 })
      expect(job.error!.message).toMatch(/^the program's output is not a result/)
      const path = text.refused?.path
      if (typeof path === 'string') expect(job.error!.message).toContain(` at ${path}: `)
    }
  })
})

/** Bytes that are no UTF-8 have become U+FFFD, and a text may have marks and spaces around it. */
function isResult({ refused, json }: JsonText, printed: string): boolean {
  if (!refused || printed === '') return true
  const changed = typeof json() !== 'string' || printed !== json()
  return changed && isJson(printed)
}
function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

describe('a program that fails and says', () => {
  test.each(ERR)('$name has an error that can be read, with the end of what it said', ({ name, becomes }) =>
    expectEnded(jobs.get(`err ${name}`)!, becomes),
  )

  test('5 MB in one line has lines of whole characters in its log, each of a bounded length', () => {
    const lines = worker.log.filter(({ stream }) => stream === 'stderr').map(({ msg }) => String(msg))
    expect(lines.length).toBeGreaterThan(5)
    for (const line of lines) {
      expect(line.length).toBeLessThanOrEqual(4_000)
      expect(line).not.toMatch(/[\ud800-\udfff]/u)
    }
  })
})
