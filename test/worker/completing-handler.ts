import pg from 'pg'
import { uuidv7 } from 'uuidv7'
import { afterAll, afterEach, beforeAll, expect } from 'vitest'
import type { DatabasePool } from '../../src/store/database.ts'
import type { Handler, RunningJob } from '../../src/worker/handler.ts'
import type { TestDatabase } from '../support/database.ts'
import { insertJob, type JobFields } from '../support/factory.ts'
import { handler, handlers, testWorker, until } from '../support/worker.ts'

/** Handlers that write an effect and complete their job in one transaction, on clients of their own. */
export function completingHandlers(db: TestDatabase) {
  let clients: pg.Pool
  const taken = new Set<pg.PoolClient>()

  beforeAll(async () => {
    const { host, port, user, password, database } = db.connection
    clients = new pg.Pool({ host, port, database, user: user!, password: password!, max: 20 })
    clients.on('error', () => {})
    await db.sql('create table effects (job uuid not null, token bigint not null)')
  })
  /** What a handler has left open ends with its client. */
  afterEach(() => {
    for (const client of taken) client.release(true)
    taken.clear()
  })
  afterAll(() => clients.end())

  const effectsOf = async (id: string) => (await db.sql('select from effects where job = $1', id)).length

  /** A client of the handler's own, on which nothing has begun. */
  async function connected(): Promise<pg.PoolClient> {
    const client = await clients.connect()
    client.on('error', () => {})
    taken.add(client)
    return client
  }

  /** A client of the handler's own whose transaction has begun and has written something. */
  async function begun({ id, token }: RunningJob): Promise<pg.PoolClient> {
    const client = await connected()
    await client.query('begin')
    await client.query('insert into effects values ($1, $2)', [id, token])
    return client
  }

  const start = (all: Handler[], fields: object = {}) =>
    testWorker({ db: db.pool, connection: db.connection, handlers: handlers(...all), ...fields })

  /** A worker whose one handler does this, and a job of it. */
  async function running(
    run: (job: RunningJob) => unknown,
    {
      handled = {},
      job = {},
      ...fields
    }: { handled?: Partial<Handler>; job?: JobFields; abortGraceMs?: number; db?: DatabasePool } = {},
  ) {
    const type = uuidv7()
    const worker = await start([handler(type, (_payload, one) => run(one), handled)], fields)
    const id = await insertJob(db.pool, { type, ...job })
    const told = (msg: string | RegExp) =>
      until(`the log says ${msg} of the job`, () =>
        worker.log.find((line) => line['job_id'] === id && new RegExp(msg).test(String(line['msg']))),
      )
    return { id, worker, told }
  }

  return { clients: () => clients, connected, begun, effectsOf, start, running }
}

export const notCommitted = (message: RegExp) => ({
  state: 'retrying',
  attempt: 1,
  error: { name: 'NotCommitted', code: 'not_committed', message: expect.stringMatching(message) as string },
})
