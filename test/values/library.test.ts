import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ForgeQ } from '../../src/forgeq.ts'
import { ForgeQError } from '../../src/errors.ts'
import { testDatabase } from '../support/database.ts'
import { JS_VALUES, type JsValue } from './js-values.ts'

const db = testDatabase()
let forgeq: ForgeQ
let client: pg.Client

beforeAll(async () => {
  forgeq = new ForgeQ({ databaseUrl: db.url })
  const { host, port, user, password, database } = db.connection
  client = new pg.Client({ host, port, database, user: user!, password: password! })
  await client.connect()
})
afterAll(async () => {
  await forgeq.close()
  await client.end()
})

const countOf = async () => (await db.sql<{ n: number }>('select count(*)::int as n from forgeq.jobs'))[0]!.n
/** A refusal is for people: however long the value was. */
const MOST_TOLD = 2_000

interface Road {
  name: string
  enqueue(payload: unknown): Promise<string>
  prefix: string
}

const ROADS: Road[] = [
  { name: 'enqueue', enqueue: async (payload) => (await forgeq.enqueue('t', payload)).id, prefix: '' },
  {
    name: 'enqueueMany',
    enqueue: async (payload) => (await forgeq.enqueueMany([['t'], ['t', payload], ['t']]))[1]!.id,
    prefix: 'jobs[1].',
  },
  {
    name: 'enqueue in a transaction of the caller',
    async enqueue(payload) {
      await client.query('begin')
      try {
        const { id } = await forgeq.enqueue('t', payload, { tx: client })
        return id
      } finally {
        // What was refused has not broken the transaction: it still commits.
        expect((await client.query('commit')).command).toBe('COMMIT')
      }
    },
    prefix: '',
  },
]

async function check(road: Road, { make, enqueued }: JsValue): Promise<void> {
  const before = await countOf()
  const value = make()
  if ('json' in enqueued) {
    const id = await road.enqueue(value)
    expect((await forgeq.job(id)).payload).toEqual(enqueued.json)
    return
  }
  const refusal = await road.enqueue(value).then(
    () => 'stored',
    (error: unknown) => error,
  )
  if (!(refusal instanceof ForgeQError)) throw new Error('it was not refused', { cause: refusal })
  expect(['invalid_job', 'payload_too_large']).toContain(refusal.code)
  const { path } = refusal.errors[0]!
  expect(path.slice(0, road.prefix.length)).toBe(road.prefix)
  if (typeof enqueued.path === 'string') expect(path.slice(road.prefix.length)).toBe(enqueued.path)
  else expect(path.slice(road.prefix.length)).toMatch(enqueued.path)
  if (enqueued.says) expect(refusal.errors[0]!.message).toMatch(enqueued.says)
  expect(refusal.message.length).toBeLessThan(MOST_TOLD)
  expect(await countOf()).toBe(before)
}

describe.each(ROADS)('a value given to $name is stored and given back equal, or refused with its path', (road) => {
  test.each(JS_VALUES)('$name', async (value) => {
    await check(road, value)
    await forgeq.enqueue('after')
  })
})
