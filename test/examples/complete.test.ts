import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadHandlers } from '../../src/worker/load-handlers.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob } from '../support/factory.ts'
import { read, ROOT } from '../support/source-tree.ts'
import { endOf, jobIn, testWorker } from '../support/worker.ts'

const db = testDatabase()
let folder: string

/** The handler as docs/handlers.md has it. */
const example = () =>
  [...read('docs/handlers.md').matchAll(/```ts\n([^]*?)```/g)]
    .map(([, text]) => text!)
    .filter((text) => text.includes('job.complete('))

beforeAll(async () => {
  await db.sql('create table public.orders (id int primary key, paid int not null check (paid <= 500))')
  await db.sql('insert into public.orders values (7, 0)')
  folder = await mkdtemp(join(tmpdir(), 'handlers-'))
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'charge.ts'), example()[0]!)
  process.env['DATABASE_URL'] = db.url
  await testWorker({ db: db.pool, connection: db.connection, handlers: await loadHandlers(folder), kept: true }).then(
    (worker) => afterAll(() => worker.stop({ graceMs: 0 })),
  )
})
afterAll(async () => {
  delete process.env['DATABASE_URL']
  await rm(folder, { recursive: true, force: true })
})

const paid = async () => (await db.sql<{ paid: number }>('select paid from public.orders where id = 7'))[0]!.paid
const charge = (cents: number) => insertJob(db.pool, { type: 'charge', payload: { orderId: 7, cents } })

test('there is one such handler', () => expect(example()).toHaveLength(1))

test('its payment and the end of its job are committed together', async () => {
  expect(await endOf(db.pool, await charge(500))).toMatchObject({
    state: 'completed',
    resultJson: '{"paid": 500, "orderId": 7}',
  })
  expect(await paid()).toBe(500)
})

test('neither happens when the payment is refused', async () => {
  const job = await jobIn(db.pool, await charge(1), 'retrying')
  expect(job.error?.message).toMatch(/violates check constraint/)
  expect(await paid()).toBe(500)
})
