import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadHandlers } from '../../src/worker/load-handlers.ts'
import { testDatabase } from '../support/database.ts'
import { insertJob } from '../support/factory.ts'
import { jobIn, testWorker } from '../support/worker.ts'
import { completingHandlers } from './completing-handler.ts'

const db = testDatabase()
const { effectsOf } = completingHandlers(db)

describe('a handler in a process of its own', () => {
  let folder: string
  beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'handlers-'))))
  afterAll(() => rm(folder, { recursive: true, force: true }))

  const text = (ending: string) => `
    import pg from ${JSON.stringify(import.meta.resolve('pg'))}
    export default async (_payload, job) => {
      const tx = new pg.Client({ connectionString: ${JSON.stringify(db.url)} })
      await tx.connect()
      await tx.query('begin')
      await tx.query('insert into effects values ($1, $2)', [job.id, job.token])
      await job.complete(tx, { pid: process.pid })
      ${ending}
    }`

  test.each<[string, string, object]>([
    ['commits', `await tx.query('commit')`, { state: 'completed' }],
    ['dies after the commit', `await tx.query('commit'); process.exit(3)`, { state: 'completed' }],
    ['rolls back', `await tx.query('rollback')`, { state: 'retrying', lost: 1, error: { code: 'not_committed' } }],
    ['dies before the commit', 'process.exit(3)', { state: 'retrying', lost: 2, error: { code: 'exit_3' } }],
  ])('completes its job as in the worker: %s', async (what, ending, becomes) => {
    const type = what.replaceAll(' ', '_')
    await writeFile(join(folder, `${type}.ts`), text(ending))
    await testWorker({ db: db.pool, connection: db.connection, handlers: await loadHandlers(folder) })
    const id = await insertJob(db.pool, { type, lost: 1, attempt: 1 })
    const job = await jobIn(db.pool, id, ['completed', 'retrying'])
    expect(job).toMatchObject({ attempt: 2, ...becomes })
    expect(await effectsOf(id)).toBe(job.state === 'completed' ? 1 : 0)
    if (job.state === 'completed') expect((JSON.parse(job.resultJson!) as { pid: number }).pid).not.toBe(process.pid)
  })
})
