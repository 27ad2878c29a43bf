import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, leaveNothing, type Service, startService } from '../cases/service.ts'
import { testDatabase } from '../support/database.ts'
import { JSON_TEXTS, type JsonText } from './json-texts.ts'
import { bytesOf, expectRefused, joined, post } from './sent.ts'

const db = testDatabase()
let service: Service

beforeAll(async () => {
  service = await startService(db, { loops: false })
})
afterAll(leaveNothing)

const countOf = async () => (await db.sql<{ n: number }>('select count(*)::int as n from forgeq.jobs'))[0]!.n

/** That the answer to a job, the stored row and what was sent are one value, to the last digit, by Postgres' own word. */
async function expectGivenBack(id: string, sent: Uint8Array): Promise<void> {
  const answer = await service.ask('GET', `/jobs/${id}`)
  const [row] = await db.sql<{ stored: boolean; given: boolean }>(
    `select payload::text = $2::text::jsonb::text as stored, (($3::text)::jsonb -> 'payload')::text = payload::text as given
       from forgeq.jobs where id = $1`,
    id,
    Buffer.from(sent).toString('utf8'),
    answer.text,
  )
  expect(row).toEqual({ stored: true, given: true })
}

interface Road {
  name: string
  /** The request around a payload, a good job before and one behind it where the road takes many. */
  send(payload: Uint8Array): Promise<Answer>
  prefix: RegExp
  /** The id of the job with this payload. */
  id(answer: Answer): string
  jobs: number
}

const ROADS: Road[] = [
  {
    name: 'POST /jobs',
    send: (payload) => post(service, '/jobs', joined('{"type":"t","payload":', payload, '}')),
    prefix: /^payload/,
    id: (answer) => answer.job().id,
    jobs: 1,
  },
  {
    name: 'POST /jobs/bulk',
    send: (payload) =>
      post(service, '/jobs/bulk', joined('{"jobs":[{"type":"t"},{"type":"t","payload":', payload, '},{"type":"t"}]}')),
    prefix: /^jobs\[1\]\.payload/,
    id: (answer) => answer.bulk()[1]!.id,
    jobs: 3,
  },
  {
    name: 'POST /jobs/bulk as lines',
    send: (payload) =>
      post(
        service,
        '/jobs/bulk',
        joined('{"type":"t"}\n{"type":"t","payload":', payload, '}\n{"type":"t"}\n'),
        'application/x-ndjson',
      ),
    prefix: /^line 2\.payload/,
    id: (answer) => answer.bulk()[1]!.id,
    jobs: 3,
  },
]

async function check(road: Road, { json, refused, breaksBody }: JsonText): Promise<void> {
  const sent = bytesOf(json())
  const before = await countOf()
  const answer = await road.send(sent)
  if (refused) {
    expectRefused(answer, refused, breaksBody || refused.path === undefined ? undefined : road.prefix)
    expect(await countOf()).toBe(before)
  } else {
    expect(answer.status, answer.text.slice(0, 500)).toBe(201)
    expect(await countOf()).toBe(before + road.jobs)
    await expectGivenBack(road.id(answer), sent)
  }
}

describe.each(ROADS)('a payload over $name is stored and given back equal, or refused with its path', (road) => {
  test.each(JSON_TEXTS)('$name', async (text) => {
    await check(road, text)
    expect((await post(service, '/jobs', bytesOf('{"type":"after"}'))).status).toBe(201)
  })
})
