import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, expect, test } from 'vitest'
import { defineJob } from '../../src/index.ts'
import { testDatabase } from '../support/database.ts'
import { gate, until } from '../support/worker.ts'
import { inState, jobWhen, leaveNothing, startService, startWorker } from './service.ts'

// A schedule that ticks into the queue comes with schedules.

const db = testDatabase()
afterAll(leaveNothing)

const QUIET_MS = 10_000

test('O24 a pause survives what is added, what falls due, fresh workers and a restart of server and workers', async () => {
  let service = await startService(db)
  const started: string[] = []
  const held = gate()
  const job = defineJob({
    type: 'test',
    async run({ name, fails }: { name: string; fails?: boolean }) {
      started.push(name)
      if (name === 'held') await held.promise
      if (fails && started.filter((one) => one === name).length === 1) throw new Error('the first time')
    },
  })
  const startOne = () => startWorker(db, { jobs: [job], queues: ['paused', 'other'] })
  const enqueue = async (payload: object, fields: object = {}): Promise<string> => {
    const body = { type: 'test', queue: 'paused', payload, ...fields }
    return (await service.ask('POST', '/jobs', body)).job().id
  }

  const first = await startOne()
  const backoff = { kind: 'fixed', base: '3s', jitter: 0 }
  const failed = await enqueue({ name: 'failed', fails: true }, { backoff })
  await jobWhen(service, failed, inState('retrying'))
  const running = await enqueue({ name: 'held' })
  await until('the job runs', () => started.includes('held'))
  const paused = await service.ask('POST', '/queues/paused/pause', { reason: 'maintenance' })
  expect(paused.json()).toMatchObject({ paused: { reason: 'maintenance' } })

  const delayed = await enqueue({ name: 'delayed' }, { delay: '2s' })
  const hundred = Array.from({ length: 100 }, (_, n) => ({ type: 'test', queue: 'paused', payload: { name: `${n}` } }))
  expect((await service.ask('POST', '/jobs/bulk', { jobs: hundred })).status).toBe(201)
  const fresh = await Promise.all(Array.from({ length: 5 }, startOne))
  held.open()
  await jobWhen(service, running, inState('completed'))

  await Promise.all([first, ...fresh].map((worker) => worker.stop()))
  await service.close()
  service = await startService(db)
  await Promise.all(Array.from({ length: 3 }, startOne))
  // Nothing happens, which no event tells: the span itself is what is tested. Meanwhile another queue flows.
  const other = await enqueue({ name: 'other' }, { queue: 'other' })
  await jobWhen(service, other, inState('completed'))
  await sleep(QUIET_MS)

  expect(started).toEqual(['failed', 'held', 'other'])
  for (const id of [failed, delayed]) await jobWhen(service, id, inState('pending'))
  expect((await service.ask('GET', '/queues/paused')).json()).toMatchObject({
    paused: { reason: 'maintenance', since: expect.any(String) as string },
    depth: { pending: 102, running: 0, scheduled: 0, retrying: 0 },
  })
  const why = (await service.ask('GET', `/jobs/${delayed}/why`)).why()
  expect(why.reasons[0]!.code).toBe('paused')

  expect((await service.ask('POST', '/queues/paused/resume')).json()).not.toHaveProperty('paused')
  await until('all have run', () => started.length === 3 + 102, { withinMs: 5_000 })
  expect(new Set(started.slice(3)).size).toBe(102)
})
