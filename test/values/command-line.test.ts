import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { openApp } from '../../src/app.ts'
import { cli, type Ran } from '../cli/cli.ts'
import { testDatabase } from '../support/database.ts'
import { JSON_TEXTS, type JsonText } from './json-texts.ts'
import { bytesOf, joined } from './sent.ts'
import { HALVES, WORDS } from './words.ts'

const db = testDatabase()
// Many requests a test: on a slow machine they take their time.
vi.setConfig({ testTimeout: 90_000 })
let folder: string
beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'forgeq-values-'))))
afterAll(() => rmSync(folder, { recursive: true }))

/** A command line in this process, on the database and with the app that a process of its own would have. */
const forgeq = (args: string[], stdin?: Uint8Array): Promise<Ran> =>
  cli(args, {
    ...(stdin && { stdin }),
    cwd: folder,
    env: { DATABASE_URL: db.url },
    openApp,
  })

const countOf = async () => (await db.sql<{ n: number }>('select count(*)::int as n from forgeq.jobs'))[0]!.n
const OURS = /\n {2,}at |node_modules|\.ts:\d|select |jsonb|SQLSTATE|22P0|\[object /i

interface Road {
  name: string
  run(sent: Uint8Array): Promise<Ran>
  /** How the path of what lies inside of the payload begins. */
  place: string
  jobs: number
  takes?(text: JsonText): boolean
  /** Reads as another road does, on which all are sent: here every third is. */
  sample?: true
}

/** An argument of a process is text without NUL. */
const isArgument = ({ json }: JsonText) => {
  const text = json()
  return typeof text === 'string' && !text.includes('\0') && !text.startsWith('@')
}
const ROADS: Road[] = [
  {
    name: '--payload',
    run: (sent) => forgeq(['enqueue', '--json', '--type', 't', '--payload', Buffer.from(sent).toString()]),
    place: '--payload',
    jobs: 1,
    takes: isArgument,
    sample: true,
  },
  {
    name: '--payload @file',
    run(sent) {
      writeFileSync(join(folder, 'payload.json'), sent)
      return forgeq(['enqueue', '--json', '--type', 't', '--payload', '@payload.json'])
    },
    place: '--payload',
    jobs: 1,
  },
  {
    name: '--payload -',
    run: (sent) => forgeq(['enqueue', '--json', '--type', 't', '--payload', '-'], sent),
    place: '--payload',
    jobs: 1,
    sample: true,
  },
  {
    name: '--ndjson',
    run: (sent) =>
      forgeq(['enqueue', '--json', '--ndjson'], joined('{"type":"t"}\n{"type":"t","payload":', sent, '}\n')),
    place: 'line 2, payload',
    jobs: 2,
  },
]

async function expectGivenBack(id: string, sent: Uint8Array): Promise<void> {
  const shown = await forgeq(['jobs', 'show', id, '--json'])
  expect(shown.code, shown.stderr).toBe(0)
  const [row] = await db.sql<{ stored: boolean; given: boolean }>(
    `select payload::text = $2::text::jsonb::text as stored, (($3::text)::jsonb -> 'payload')::text = payload::text as given
       from forgeq.jobs where id = $1`,
    id,
    Buffer.from(sent)
      .toString('utf8')
      .replace(/^\ufeff/, ''),
    shown.stdout,
  )
  expect(row).toEqual({ stored: true, given: true })
}

describe.each(ROADS)('a payload by $name is stored and given back equal, or refused with exit 2', (road) => {
  const texts = JSON_TEXTS.filter((text) => !text.large && (road.takes?.(text) ?? true)).filter(
    (_, index) => !road.sample || index % 3 === 0,
  )
  test.each(texts)('$name', async ({ name, json, refused, breaksBody }) => {
    const sent = bytesOf(json())
    const before = await countOf()
    const { code, stdout, stderr } = await road.run(sent)
    // Files and standard input may begin with a byte order mark: Windows' tools write one.
    if (!refused || (name === 'a byte order mark before the value' && road.place === '--payload')) {
      expect(code, stderr).toBe(0)
      expect(await countOf()).toBe(before + road.jobs)
      const told = JSON.parse(stdout.trimEnd().split('\n').at(-1)!) as { id: string }
      await expectGivenBack(told.id, sent)
      return
    }
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(await countOf()).toBe(before)
    expect(stderr).not.toMatch(OURS)
    expect(stderr.length).toBeLessThan(2_000)
    const problem = JSON.parse(stderr) as { code: string; errors?: { path: string }[] }
    expect(problem.code).toBe(refused.code)
    if (breaksBody || refused.path === undefined) return
    const { path } = problem.errors![0]!
    expect(path.slice(0, road.place.length)).toBe(road.place)
    const inside = path.slice(road.place.length).replace(/^[. ]/, '')
    if (typeof refused.path === 'string') expect(inside).toBe(refused.path)
    else expect(inside).toMatch(refused.path)
  })
})

describe('a hostile text', () => {
  const FLAGS = [
    'type',
    'queue',
    'tag',
    'idempotency-key',
    'id',
    'run-at',
    'delay',
    'priority',
    'max-attempts',
    'timeout',
  ]
  // Arguments hold no NUL.
  const texts = [...WORDS, ...HALVES].filter(([, text]) => !text.includes('\0'))

  test.each(FLAGS)('given to --%s is kept as it is or refused by that name, with exit 2', async (flag) => {
    await db.sql('truncate forgeq.jobs, forgeq.idempotency_keys')
    let stored = 0
    for (const [name, text] of texts.filter((_, index) => index % 2 === 0)) {
      const type = flag === 'type' ? [] : ['--type', 't']
      const { code, stdout, stderr } = await forgeq(['enqueue', '--json', ...type, `--${flag}=${text}`])
      expect({ name, done: code === 0 || code === 2 }).toEqual({ name, done: true })
      if (code === 0) {
        stored++
        const job = JSON.parse(stdout) as Record<string, unknown>
        const shown = {
          tag: (job['tags'] as string[])[0],
          type: job['type'],
          queue: job['queue'],
          'idempotency-key': job['idempotency_key'],
        }
        if (flag in shown) expect(shown[flag as keyof typeof shown]).toBe(text)
        continue
      }
      expect(stderr).toContain(`--${flag}`)
      expect(stderr).not.toMatch(OURS)
    }
    expect(await countOf()).toBe(stored)
  })

  test.each(['type', 'queue', 'tag', 'key', 'state', 'q', 'error', 'cursor', 'limit', 'created-after'])(
    'asked for by jobs list --%s is looked for or refused with exit 2',
    async (flag) => {
      for (const [name, text] of texts.filter((_, index) => index % 4 === 0)) {
        const { code, stderr } = await forgeq(['jobs', 'list', '--json', `--${flag}=${text}`])
        expect({ name, code: [0, 2].includes(code) ? 'fine' : stderr }).toEqual({ name, code: 'fine' })
        expect(stderr).not.toMatch(OURS)
      }
    },
  )

  test.each([
    ['jobs', 'show'],
    ['jobs', 'cancel'],
    ['jobs', 'retry'],
    ['queues', 'show'],
    ['queues', 'resume'],
    ['workers', 'show'],
  ])('as what %s %s is to act on is refused', async (...command) => {
    for (const [name, text] of texts.filter(([, text]) => !/^[A-Za-z0-9][\w.:-]{0,127}$/.test(text))) {
      const { code, stderr } = await forgeq([...command, '--json', '--', text])
      expect({ name, code: [1, 2].includes(code) ? 'refused' : code }).toEqual({ name, code: 'refused' })
      expect(stderr).not.toMatch(OURS)
    }
  })
})
