import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { JobView } from '../../src/wire/jobs.ts'
import { testDatabase } from '../support/database.ts'
import { leaveNothing, type Service, startService } from './service.ts'

const db = testDatabase()
let service: Service

beforeAll(async () => {
  service = await startService(db)
})
afterAll(leaveNothing)

const jobs = async (key: string): Promise<JobView[]> => (await service.ask('GET', `/jobs?key=${key}`)).items()

describe('O16 same key, same meaning, other bytes', () => {
  const send = (key: string, body: string) =>
    service.ask('POST', '/jobs', body, { 'content-type': 'application/json', 'idempotency-key': key })

  test('the order of members, white space and defaults that are spelled out change nothing; another payload is a 409', async () => {
    const first = await send('k1', '{"type":"unserved","payload":{"a":1,"b":{"c":2,"d":3}}}')
    expect(first.status).toBe(201)
    const { id } = first.job()
    for (const body of [
      '{"payload":{"b":{"d":3,"c":2},"a":1},"type":"unserved"}',
      '\n{ "type" : "unserved",\t"payload" : { "a" : 1.0 , "b" : { "c" : 2e0, "d" : 3 } } }\r\n',
      '{"type":"unserved","priority":0,"payload":{"a":1,"b":{"c":2,"d":3}}}',
      '{"type":"\\u0075nserved","queue":"default","max_attempts":25,"tags":[],"idempotency_key":"k1","payload":{"a":1,"b":{"c":2,"d":3}}}',
    ]) {
      const again = await send('k1', body)
      expect({ body, status: again.status, id: again.job().id }).toEqual({ body, status: 200, id })
    }
    const other = await send('k1', '{"type":"unserved","payload":{"a":2,"b":{"c":2,"d":3}}}')
    expect(other.status).toBe(409)
    expect(other.json()).toMatchObject({ code: 'conflict', id })
    expect(await jobs('k1')).toMatchObject([{ id, payload: { a: 1, b: { c: 2, d: 3 } } }])
  })

  test('of 64 at once, each with another payload, one is stored and 63 are told that the key is taken', async () => {
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, n) => send('k2', JSON.stringify({ type: 'unserved', payload: { n } }))),
    )
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, ...Array<number>(63).fill(409)])
    const winner = answers.find(({ status }) => status === 201)!.job()
    for (const answer of answers) expect(answer.json()).toMatchObject({ id: winner.id })
    expect(await jobs('k2')).toMatchObject([{ id: winner.id, payload: winner.payload }])
  })
})

describe('O19 duplicates inside one bulk call', () => {
  const stored = async (queue: string): Promise<JobView[]> => (await service.ask('GET', `/jobs?queue=${queue}`)).items()
  const bulkOf = (queue: string, fourth: unknown) => ({
    jobs: [
      { type: 'unserved', queue, payload: 1 },
      { type: 'unserved', queue, payload: 'same', idempotency_key: `${queue}-same` },
      { type: 'unserved', queue, payload: 3 },
      { type: 'unserved', queue, payload: fourth, idempotency_key: `${queue}-same` },
      { type: 'unserved', queue, payload: 'old', idempotency_key: `${queue}-old` },
    ],
  })
  async function storeOld(queue: string): Promise<string> {
    const body = { type: 'unserved', queue, payload: 'old', idempotency_key: `${queue}-old` }
    return (await service.ask('POST', '/jobs', body)).job().id
  }

  test('five ids come in the order sent, one for two equal bodies, one of the job that was there', async () => {
    const old = await storeOld('equal')
    const answer = await service.ask('POST', '/jobs/bulk', bulkOf('equal', 'same'))
    expect(answer.status, answer.text).toBe(201)
    const items = answer.bulk()
    const [first, second, third, fourth, fifth] = items.map(({ id }) => id)
    expect(fourth).toBe(second)
    expect(fifth).toBe(old)
    expect(items.map(({ created }) => created)).toEqual([true, true, true, false, false])
    const payloads = new Map((await stored('equal')).map(({ id, payload }) => [id, payload]))
    expect(payloads).toEqual(
      new Map<string | undefined, unknown>([
        [first, 1],
        [second, 'same'],
        [third, 3],
        [old, 'old'],
      ]),
    )
  })

  test('other payloads under one key are a 409 at the place of the second, and nothing is stored', async () => {
    const old = await storeOld('unequal')
    const body = bulkOf('unequal', 'other')
    const answer = await service.ask('POST', '/jobs/bulk', body)
    expect(answer.status).toBe(409)
    expect(answer.problem().errors).toMatchObject([{ path: 'jobs[3]' }])
    const lines = ['', ...body.jobs.map((job) => JSON.stringify(job))].join('\n')
    const ndjson = await service.ask('POST', '/jobs/bulk', lines, { 'content-type': 'application/x-ndjson' })
    expect(ndjson.status).toBe(409)
    expect(ndjson.problem().errors).toMatchObject([{ path: 'line 5' }])
    expect((await stored('unequal')).map(({ id }) => id)).toEqual([old])
  })
})
