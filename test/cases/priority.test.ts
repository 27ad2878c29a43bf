import { afterAll, beforeAll, expect, test } from 'vitest'
import { defineJob } from '../../src/index.ts'
import { testDatabase } from '../support/database.ts'
import { until } from '../support/worker.ts'
import { inState, jobWhen, leaveNothing, type Service, startService, startWorker } from './service.ts'

const db = testDatabase()
let service: Service

beforeAll(async () => {
  service = await startService(db)
})
afterAll(leaveNothing)

test('O20 jobs keep their priority after a delay, a retry and a promotion', async () => {
  const ran: string[] = []
  const failing = new Set(['failed', 'dead'])
  const job = defineJob({
    type: 'test',
    run({ name }: { name: string }) {
      if (failing.delete(name)) throw new Error('the first time')
      ran.push(name)
    },
  })
  const enqueue = async (name: string, fields: object = {}): Promise<string> => {
    const answer = await service.ask('POST', '/jobs', { type: 'test', payload: { name }, ...fields })
    expect(answer.status, answer.text).toBe(201)
    return answer.job().id
  }
  const act = async (path: string): Promise<void> => expect((await service.ask('POST', path)).status).toBe(200)

  const first = await startWorker(db, { jobs: [job], concurrency: 1 })
  const urgent = { priority: 10 }
  const failed = await enqueue('failed', { ...urgent, backoff: { kind: 'fixed', base: '1s' } })
  const dead = await enqueue('dead', { ...urgent, max_attempts: 1 })
  await jobWhen(service, failed, inState('retrying'))
  await jobWhen(service, dead, inState('dead'))
  await first.stop()
  await act('/queues/default/pause')

  for (let n = 1; n <= 5; n++) await enqueue(`plain ${n}`)
  const delayed = await enqueue('delayed', { ...urgent, delay: '2s' })
  const inAnHour = { ...urgent, run_at: new Date(Date.now() + 3_600_000).toISOString() }
  const promoted = await enqueue('promoted', inAnHour)
  await act(`/jobs/${promoted}/run`)
  await act(`/jobs/${dead}/retry`)
  for (const id of [failed, delayed, promoted, dead]) await jobWhen(service, id, inState('pending'))
  expect(ran).toEqual([])

  await startWorker(db, { jobs: [job], concurrency: 1 })
  await act('/queues/default/resume')
  await until('all have run', () => ran.length === 9)
  expect(ran.slice(0, 4).sort()).toEqual(['dead', 'delayed', 'failed', 'promoted'])
  expect(ran.slice(4)).toEqual(['plain 1', 'plain 2', 'plain 3', 'plain 4', 'plain 5'])
})
