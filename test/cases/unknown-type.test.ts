import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { defineJob } from '../../src/index.ts'
import type { JobView } from '../../src/wire/jobs.ts'
import { testDatabase } from '../support/database.ts'
import { until } from '../support/worker.ts'
import { leaveNothing, startService, startWorker } from './service.ts'

// An HTTP worker that serves one type comes with the HTTP workers.

const db = testDatabase()
const folder = mkdtempSync(join(tmpdir(), 'forgeq-cases-'))
afterAll(async () => {
  await leaveNothing()
  rmSync(folder, { recursive: true })
})

const QUIET_MS = 10_000

test('O26 jobs of a type that no worker knows wait, at no attempt and said to be unserved, for one that does', async () => {
  writeFileSync(join(folder, 'a.mjs'), 'export default () => {}\n')
  const service = await startService(db, { handlers: folder, handlersNamed: true })
  await startWorker(db, { jobs: [defineJob({ type: 'a', run: () => {} })], queues: ['shared'] })
  const handlers = await service.app.loadHandlers({ strict: true })
  expect(handlers.types).toEqual(['a'])
  const ofFolder = await service.app.startWorker({ handlers, exclusiveProcess: false })

  const list = async (): Promise<JobView[]> => (await service.ask('GET', '/jobs?queue=shared&type=b')).items()
  const jobs = Array.from({ length: 50 }, (_, n) => ({ type: 'b', queue: 'shared', payload: { n } }))
  const known = Array.from({ length: 50 }, () => ({ type: 'a', queue: 'shared' }))
  expect((await service.ask('POST', '/jobs/bulk', { jobs: [...jobs, ...known] })).status).toBe(201)
  await until('what is known has run', async () => {
    const done = await service.ask('GET', '/jobs?queue=shared&type=a&state=completed')
    return done.items().length === 50
  })
  // Nothing happens, which no event tells: the span itself is what is tested.
  await sleep(QUIET_MS)

  const waiting = await list()
  expect(waiting).toHaveLength(50)
  for (const job of waiting) {
    expect(job).toMatchObject({ state: 'pending', attempt: 0, lost: 0 })
    expect(job).not.toHaveProperty('error')
    expect(job).not.toHaveProperty('worker')
  }
  expect((await service.ask('GET', '/queues/shared')).json()).toMatchObject({ unserved_types: ['b'], workers: 2 })
  const why = (await service.ask('GET', `/jobs/${waiting[0]!.id}/why`)).why()
  expect(why.reasons.map(({ code }) => code)).toContain('no_worker')

  await startWorker(db, { jobs: [defineJob({ type: 'b', run: () => {} })], queues: ['shared'] })
  await until('all have completed', async () => (await list()).every(({ state }) => state === 'completed'))
  for (const job of await list()) expect(job).toMatchObject({ state: 'completed', attempt: 1, lost: 0 })
  // The figures are at most a second old.
  await until('nothing is unserved', async () =>
    (await service.ask('GET', '/queues/shared')).text.includes('"unserved_types":[]'),
  )
  await ofFolder.stop({ graceMs: 0 })
})
