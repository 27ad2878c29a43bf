import { beforeEach, expect, test } from 'vitest'
import { page } from '../../src/wire/page.ts'
import { QueueView } from '../../src/wire/queues.ts'
import { WorkerView } from '../../src/wire/workers.ts'
import { WORKER } from './fake-queue.ts'
import { setUp, type Setup } from './setup.ts'

let s: Setup
beforeEach(() => {
  s = setUp()
})

test('lists queues and shows one', async () => {
  const { items, next_cursor } = page(QueueView).parse(await (await s.ask('/queues')).json())
  expect(items).toMatchObject([{ name: 'default', oldest_pending_seconds: 1.5, unserved_types: ['t'] }])
  expect(next_cursor).toBeNull()
  expect(QueueView.parse(await (await s.ask('/queues/default')).json()).name).toBe('default')
  expect((await s.ask('/queues/none')).status).toBe(404)
})

test('pauses with a reason and an end, and resumes', async () => {
  const paused = await s.post('/queues/emails/pause', {
    reason: 'deploy',
    until: '2099-01-01T00:00:00+01:00'.replace('2099', String(new Date().getUTCFullYear() + 1)),
  })
  const view = QueueView.parse(await paused.json())
  expect(view.paused).toMatchObject({
    reason: 'deploy',
    by: 'http',
    until: expect.stringMatching(/T23:00:00.000000Z$/),
  })
  expect(QueueView.parse(await (await s.post('/queues/emails/resume')).json()).paused).toBeUndefined()
})

test('pauses without a body whatever the content type says', async () => {
  expect((await s.post('/queues/emails/pause', undefined, { 'content-type': 'application/json' })).status).toBe(200)
  expect(s.fake.calls).toEqual([['pause', 'emails', { by: 'http' }]])
})

test.each([
  [{ 'content-type': 'application/x-www-form-urlencoded' }],
  [{ 'content-type': 'application/json; charset=latin1' }],
  [{ 'content-type': 'application/json', 'content-encoding': 'gzip' }],
])('refuses to pause with a body of another kind: %j', async (headers) => {
  for (const body of ['{"reason":"deploy"}', new Uint8Array([0x1f, 0x8b, 0xff])]) {
    const answer = await s.ask('/queues/emails/pause', { method: 'POST', headers, body })
    expect(answer.status).toBe(415)
    expect(await answer.json()).toMatchObject({ code: 'unsupported_media_type' })
  }
  expect(s.fake.calls).toEqual([])
})

test.each([
  [{ until: 'tomorrow' }, 'until'],
  [{ until: '2001-01-01T00:00:00Z' }, 'until'],
  [{ reason: 5 }, 'reason'],
  [{ reason: 'a\0' }, 'reason'],
  [{ reason: 'x'.repeat(501) }, 'reason'],
  [{ untill: '2099-01-01T00:00:00Z' }, 'untill'],
])('refuses to pause with %j', async (body, path) => {
  const answer = await s.post('/queues/emails/pause', body)
  expect(answer.status).toBe(400)
  expect(((await answer.json()) as { errors: { path: string }[] }).errors.map((error) => error.path)).toEqual([path])
  expect(s.fake.calls).toEqual([])
})

test('lists workers and shows one', async () => {
  expect(page(WorkerView).parse(await (await s.ask('/workers')).json()).items).toMatchObject([
    { id: WORKER.id, last_heartbeat_at: WORKER.lastHeartbeatAt },
  ])
  expect(WorkerView.parse(await (await s.ask(`/workers/${WORKER.id}`)).json()).name).toBe('one')
  expect((await s.ask('/workers/0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b')).status).toBe(404)
  expect((await s.ask('/workers/nobody')).status).toBe(404)
})
