import { connect } from 'node:net'
import { uuidv7 } from 'uuidv7'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Answer, leaveNothing, type Service, startService } from '../cases/service.ts'
import { testDatabase } from '../support/database.ts'
import { ProblemView } from '../../src/wire/problem.ts'
import { JSON_TEXTS } from './json-texts.ts'
import { bytesOf, post } from './sent.ts'
import { BAD_ENCODINGS, type Word, WORDS } from './words.ts'

const db = testDatabase()
// Many requests a test: on a slow machine they take their time.
vi.setConfig({ testTimeout: 90_000 })
let service: Service

beforeAll(async () => {
  service = await startService(db, { loops: false })
})
afterAll(leaveNothing)

/** What no asker should ever read: a stack, a statement, a word of the driver. */
const OURS = /\n {2,}at |node_modules|\.ts:\d|select |jsonb|invalid input syntax|invalid byte|SQLSTATE|22P0|\[object /i
const MOST_TOLD = 20_000

/** Answered, or refused in words of ours that name what was wrong; never an error of ours. */
function expectAnswered(answer: Answer, path?: string): 'answered' | 'refused' {
  expect(answer.status, answer.text.slice(0, 500)).toBeLessThan(500)
  if (answer.status < 400) return 'answered'
  const problem = ProblemView.parse(answer.json())
  expect(problem.status).toBe(answer.status)
  expect(answer.text).not.toMatch(OURS)
  expect(answer.text.length).toBeLessThan(MOST_TOLD)
  if (path !== undefined && [400, 422].includes(answer.status))
    expect(problem.errors?.map((error) => error.path)).toContain(path)
  return 'refused'
}

const everything = async () =>
  (
    await db.sql<{ text: string }>(
      `select coalesce(string_agg(job::text, '' order by id), '') || (select coalesce(string_agg(queue::text, ''), '') from forgeq.queues as queue) as text
       from forgeq.all_jobs as job`,
    )
  )[0]!.text
const controls = /[\0-\x1f\x7f-\x9f]/

describe('a question about jobs', () => {
  const PARAMETERS =
    'q error worker tag key type queue cursor state created_after created_before finished_after limit'.split(' ')

  test.each([...PARAMETERS, 'payload.a', 'group', 'nothing'])(
    'is answered or refused by name, whatever stands in %s',
    async (name) => {
      const before = await everything()
      for (const [, text] of WORDS) {
        expectAnswered(await service.ask('GET', `/jobs?${name}=${encodeURIComponent(text)}`), name)
      }
      for (const [, bytes] of BAD_ENCODINGS)
        expect(expectAnswered(await service.ask('GET', `/jobs?${name}=${bytes}`))).toBe('refused')
      expect(await everything()).toBe(before)
    },
  )

  test('is answered or refused, whatever parameter it names', async () => {
    for (const [, text] of WORDS) {
      expectAnswered(await service.ask('GET', `/jobs?${encodeURIComponent(text)}=a`))
      expectAnswered(await service.ask('GET', `/jobs?payload.${encodeURIComponent(text)}=a`))
      expectAnswered(await service.ask('GET', `/jobs?payload.a.${encodeURIComponent(text)}.b=a`))
    }
    for (const [, bytes] of BAD_ENCODINGS)
      expect(expectAnswered(await service.ask('GET', `/jobs?payload.${bytes}=a`))).toBe('refused')
  })

  test('finds a job by any tag, key, text of a payload or part of it that a job can have, and by that alone', async () => {
    for (const [name, text] of WORDS) {
      const body = { type: 'found', payload: { a: text, [text]: { b: text } }, tags: [text], idempotency_key: text }
      const taken = await service.ask('POST', '/jobs', body)
      const isTag = text !== '' && Array.from(text).length <= 128 && !controls.test(text)
      const isKey = text !== '' && Buffer.byteLength(text) <= 255 && !controls.test(text)
      expect({ name, status: taken.status }).toEqual({
        name,
        status: isTag && isKey && !text.includes('\0') ? 201 : 422,
      })
      if (taken.status === 422) {
        const paths = taken.problem().errors!.map(({ path }) => path)
        expect(paths.some((path) => path === 'tags[0]')).toBe(!isTag)
        expect(paths.some((path) => path === 'idempotency_key')).toBe(!isKey)
        expect(paths.some((path) => path.startsWith('payload'))).toBe(text.includes('\0'))
        continue
      }
      const { id, ...job } = taken.job()
      expect(job).toMatchObject({ tags: [text], idempotency_key: text, payload: { a: text } })
      const encoded = encodeURIComponent(text)
      const asked = [`tag=${encoded}`, `key=${encoded}`, `payload.a=${encoded}`]
      if (!text.includes('.')) asked.push(`payload.${encoded}.b=${encoded}`)
      for (const question of asked) {
        const found = (await service.ask('GET', `/jobs?type=found&${question}`)).items()
        expect({ question, ids: found.map((one) => one.id) }).toEqual({ question, ids: [id] })
      }
      // A part of a text is found as it stands, without wildcards; others may hold it too.
      const parts = (await service.ask('GET', `/jobs?type=found&q=${encoded}`)).items()
      expect(parts.map((one) => one.id)).toContain(id)
      for (const one of parts)
        expect([one.id, one.type, ...one.tags].some((part) => part.toLowerCase().includes(text.toLowerCase()))).toBe(
          true,
        )
    }
  })
})

describe('a name in an address', () => {
  const ADDRESSES: [method: string, address: (text: string) => string, path: string][] = [
    ...(['', '/result', '/why'] as const).map((part): [string, (text: string) => string, string] => [
      'GET',
      (text) => `/jobs/${text}${part}`,
      'id',
    ]),
    ...(['/retry', '/cancel', '/run'] as const).map((part): [string, (text: string) => string, string] => [
      'POST',
      (text) => `/jobs/${text}${part}`,
      'id',
    ]),
    ['DELETE', (text) => `/jobs/${text}`, 'id'],
    ['GET', (text) => `/queues/${text}`, 'name'],
    ['POST', (text) => `/queues/${text}/resume`, 'name'],
    ['GET', (text) => `/workers/${text}`, 'id'],
    ['GET', (text) => `/jobs/${uuidv7()}/result?wait=${text}`, 'wait'],
  ]

  test.each(ADDRESSES.map(([method, address, path]) => ({ method, address, path, shown: address('…') })))(
    'is answered or refused: $method $shown',
    async ({ method, address, path }) => {
      const before = await everything()
      for (const [, text] of WORDS) {
        if (/^[A-Za-z0-9][\w.:-]{0,127}$/.test(text) && method === 'POST' && path === 'name') continue
        const answer = await service.ask(method, address(encodeURIComponent(text)))
        // An empty part makes it another address, which may exist.
        if (text === '' || text === '.') expect(answer.status).toBeLessThan(500)
        else expectAnswered(answer, path)
      }
      for (const [, bytes] of BAD_ENCODINGS) expectAnswered(await service.ask(method, address(bytes)))
      expect(await everything()).toBe(before)
    },
  )
})

describe('a pause', () => {
  test('keeps its reason as it was told, or refuses it by name and does not pause', async () => {
    for (const [name, text] of WORDS) {
      await service.ask('POST', '/queues/paused/resume')
      const answer = await service.ask('POST', '/queues/paused/pause', { reason: text })
      const refused = text.includes('\0') || text.length > 500
      expect({ name, as: expectAnswered(answer, 'reason') }).toEqual({ name, as: refused ? 'refused' : 'answered' })
      const shown = await service.ask('GET', '/queues/paused')
      const { paused } = shown.json() as { paused?: { reason?: string } }
      if (refused) expect(paused).toBeUndefined()
      else expect(paused?.reason ?? '').toBe(text)
    }
  })

  test.each(['reason', 'until'])('is answered or refused whatever JSON stands in its %s', async (field) => {
    for (const { json, large, breaksBody } of JSON_TEXTS) {
      if (large) continue
      const body = Buffer.concat([bytesOf(`{"${field}":`), bytesOf(json()), bytesOf('}')])
      const answer = await post(service, '/queues/paused/pause', body)
      expectAnswered(answer, breaksBody || answer.status === 413 ? undefined : field)
    }
  })
})

test.each(['cancel', 'retry', 'run'])('no body of a %s but an empty one does anything to the job', async (act) => {
  const made = await service.ask('POST', '/jobs', { type: 't', ...(act === 'run' && { delay: '1h' }) })
  const { id } = made.job()
  const before = await everything()
  for (const { name, json } of JSON_TEXTS) {
    const body = bytesOf(json())
    if (body.length === 0 || /^\s*\{\s*\}\s*$/.test(Buffer.from(body).toString())) continue
    const answer = await post(service, `/jobs/${id}/${act}`, body)
    expect({ name, as: expectAnswered(answer) }).toEqual({ name, as: 'refused' })
  }
  expect(await everything()).toBe(before)
})

describe('a header', () => {
  /** Sends a header byte for byte, which no client library would. */
  function enqueueWith(name: string, value: Uint8Array, payload: string): Promise<{ status: number; text: string }> {
    const { hostname, port } = new URL(service.url)
    const body = `{"type":"headed","payload":${payload}}`
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(
          `POST /jobs HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: close\r\nContent-Type: application/json\r\n`,
        )
        socket.write(`Content-Length: ${body.length}\r\n${name}: `)
        socket.write(value)
        socket.write(`\r\n\r\n${body}`)
      })
      let text = ''
      socket.setEncoding('utf8').on('data', (part: string) => (text += part))
      socket.on('error', reject)
      socket.on('close', () =>
        resolve({
          status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]),
          text: text.slice(text.indexOf('\r\n\r\n') + 4),
        }),
      )
    })
  }
  const quoted = (text: string) => `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
  const keyOf = (text: string) => (JSON.parse(text) as { idempotency_key?: string }).idempotency_key

  test('with a key is that key to the byte, or refused', async () => {
    await db.sql('truncate forgeq.jobs, forgeq.idempotency_keys')
    for (const [name, text] of WORDS) {
      const answer = await enqueueWith('Idempotency-Key', Buffer.from(quoted(text)), '1')
      const isKey = text !== '' && Buffer.byteLength(text) <= 255 && !controls.test(text)
      expect({ name, status: answer.status }).toEqual({ name, status: isKey ? 201 : 400 })
      if (isKey) expect(keyOf(answer.text)).toBe(text)
      else expect(answer.text).not.toMatch(OURS)
    }
  })

  test('with a key that is no UTF-8 is refused, so that two keys never become one', async () => {
    for (const [name, bytes] of BAD_ENCODINGS.slice(0, 5)) {
      const raw = Buffer.from(bytes.replaceAll('%', ''), 'hex')
      for (const value of [raw, Buffer.concat([Buffer.from('"k'), raw, Buffer.from('"')])]) {
        const { status, text } = await enqueueWith('Idempotency-Key', value, '1')
        expect({ name, status, text: text.slice(0, 200) }).toMatchObject({ name, status: 400 })
      }
    }
  })

  test('with a trace that is none refuses no job and leaves nothing of itself', async () => {
    for (const [name, text] of WORDS.filter(([, text]) => !/[\0-\x08\x0a-\x1f\x7f]/.test(text))) {
      const { status, text: told } = await enqueueWith('traceparent', Buffer.from(text), '1')
      expect({ name, status }).toEqual({ name, status: 201 })
      expect(told).not.toContain('traceparent')
    }
  })
})

test('after all of it the service enqueues and answers as before', async () => {
  expect((await service.ask('POST', '/jobs', { type: 'after' })).status).toBe(201)
  expect((await service.ask('GET', '/readyz')).status).toBe(200)
  expect(service.log.filter(({ level }) => Number(level) >= 50)).toEqual([])
})

/** Both tables stand for each other's gaps only while they are this large. */
test('the tables have not shrunk', () => {
  const names = (words: Word[]) => new Set(words.map(([name]) => name)).size
  expect(names(WORDS) + names(BAD_ENCODINGS)).toBeGreaterThanOrEqual(90)
})
