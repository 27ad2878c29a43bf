import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { defineJob } from '../../src/index.ts'
import { answer as printed } from '../system/processes.ts'
import { testDatabase } from '../support/database.ts'
import { inState, jobWhen, leaveNothing, type Service, startService, startWorker } from './service.ts'

// A lease of an HTTP worker, export and import, and the dashboard are roads that this release does not have.

const db = testDatabase()
let service: Service

beforeAll(async () => {
  service = await startService(db)
})
afterAll(leaveNothing)

async function enqueue(body: string): Promise<string> {
  const answer = await service.ask('POST', '/jobs', body)
  expect(answer.status, answer.text).toBe(201)
  return answer.job().id
}

describe('O13 numbers beyond 2^53 keep their digits on every road out', () => {
  const NUMBERS = ['9007199254740993', '123456789012345678901234567890', '0.1000000000000000055']
  const PAYLOAD = `{"id":${NUMBERS[0]},"n":${NUMBERS[1]},"x":${NUMBERS[2]}}`
  const expectAll = (text: string) => {
    for (const digits of NUMBERS) expect(text).toContain(digits)
  }

  test('the answer to the enqueue, the job, the list, the bulk call and jobs show --json', async () => {
    const made = await service.ask('POST', '/jobs', `{"type":"unserved","payload":${PAYLOAD}}`)
    expectAll(made.text)
    const { id } = made.job()
    expectAll((await service.ask('GET', `/jobs/${id}`)).text)
    expectAll((await service.ask('GET', '/jobs?type=unserved')).text)
    expectAll((await service.ask('GET', `/jobs?payload.id=${NUMBERS[0]}`)).text)
    expect((await service.ask('GET', '/jobs?payload.id=9007199254740992')).json()).toMatchObject({ items: [] })

    const env = { DATABASE_URL: db.url }
    expectAll(await printed(process.cwd(), ['jobs', 'show', id, '--json'], { env }))
    expectAll(await printed(process.cwd(), ['jobs', 'list', '--type', 'unserved', '--json'], { env }))
    expectAll(await printed(process.cwd(), ['jobs', 'show', id], { env }))

    for (const [body, type] of [
      [`{"jobs":[{"type":"bulk","payload":${PAYLOAD}}]}`, 'application/json'],
      [`{"type":"bulk","payload":${PAYLOAD}}\n`, 'application/x-ndjson'],
    ] as const) {
      const bulk = await service.ask('POST', '/jobs/bulk', body, { 'content-type': type })
      const [item] = bulk.bulk()
      expectAll((await service.ask('GET', `/jobs/${item!.id}`)).text)
    }
  })
})

describe('O14 keys that frighten frameworks', () => {
  const FRIGHTENING = '{"__proto__":{"x":1},"constructor":{"prototype":{"y":2}},"toString":1,"":0,"a.b":2}'

  /** Own members alone, in an order of their own: what a comparison of objects would pass over. */
  const members = (value: unknown): unknown =>
    typeof value !== 'object' || value === null || Array.isArray(value)
      ? value
      : Object.entries(value)
          .map(([name, member]) => [name, members(member)])
          .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))

  test('are the same value over HTTP, in the handler and as its result, and later jobs show nothing of them', async () => {
    const seen = new Map<string, unknown>()
    const frightened = defineJob({
      type: 'frightened',
      run(given: unknown, job) {
        seen.set(job.id, members(given))
        return given
      },
    })
    await startWorker(db, { jobs: [frightened] })
    for (const payload of [FRIGHTENING, 'null', '[]', 'false', '0', '""', '{}']) {
      const id = await enqueue(`{"type":"frightened","payload":${payload}}`)
      const expected = members(JSON.parse(payload))
      const done = await jobWhen(service, id, inState('completed'))
      const listed = (await service.ask('GET', '/jobs?type=frightened')).items().find((job) => job.id === id)
      const outcome = (await service.ask('GET', `/jobs/${id}/result`)).json() as { result: unknown }
      for (const value of [done.payload, done.result, listed?.payload, listed?.result, outcome.result])
        expect(members(value)).toEqual(expected)
      expect(seen.get(id)).toEqual(expected)
    }
    expect([Reflect.get({}, 'x'), Reflect.get({}, 'y')]).toEqual([undefined, undefined])
  })

  test('a tag, a queue and a type of such names is a name like any other', async () => {
    const id = await enqueue('{"type":"constructor","queue":"toString","tags":["__proto__","hasOwnProperty"]}')
    expect((await service.ask('GET', `/jobs/${id}`)).json()).toMatchObject({
      type: 'constructor',
      queue: 'toString',
      tags: ['__proto__', 'hasOwnProperty'],
    })
    expect((await service.ask('GET', '/queues/toString')).json()).toMatchObject({ depth: { pending: 1 } })
    expect((await service.ask('GET', '/jobs?tag=__proto__')).items()).toHaveLength(1)
    const why = (await service.ask('GET', `/jobs/${id}/why`)).why()
    expect(why.reasons[0]!.code).toBe('no_worker')
    expect((await service.ask('GET', '/metrics')).text).toContain('queue="toString"')
    const member = await service.ask('POST', '/jobs', '{"type":"t","__proto__":{"queue":"x"},"constructor":1}')
    expect(member.status).toBe(422)
    expect(member.problem().errors?.map(({ path }) => path)).toEqual(['__proto__', 'constructor'])
  })
})

test('O15 a long error is cut at a whole character, marked, and blocks neither its job nor the list', async () => {
  const LION = '🦁'
  const fails = defineJob({
    type: 'roars',
    backoff: { kind: 'fixed', base: '1h' },
    run({ before }: { before: string }) {
      throw new Error(before + LION.repeat(300_000))
    },
  })
  await startWorker(db, { jobs: [fails] })
  for (const before of ['', 'a', 'ab', 'abc']) {
    const id = await enqueue(JSON.stringify({ type: 'roars', payload: { before } }))
    const { error } = await jobWhen(service, id, inState('retrying', 'dead'))
    expect(error).toMatchObject({ truncated: true })
    const { message, stack = '' } = error!
    expect(message.length).toBeGreaterThan(1_000)
    expect(message).toMatch(new RegExp(`^${before}(${LION})+$`, 'u'))
    for (const text of [message, stack]) {
      expect(text).toBe(Buffer.from(text, 'utf8').toString('utf8'))
      expect(text).not.toContain('\uFFFD')
    }
    expect((await service.ask('GET', `/jobs/${id}`)).json()).toMatchObject({ state: 'retrying', attempt: 1 })
    const list = await service.ask('GET', '/jobs?type=roars')
    expect(list.status).toBe(200)
    expect(list.items().map((job) => job.id)).toContain(id)
  }
})
