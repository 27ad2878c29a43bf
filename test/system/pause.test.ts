import { afterEach, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { insertJob, jobOf } from '../support/factory.ts'
import { NOTING_HANDLER, notesOf } from './notes.ts'
import { answer, answerJson, forgeq, leaveNothing, project, server, until } from './processes.ts'

const db = testDatabase()
afterEach(leaveNothing)

const QUIET_MS = 5_000

test('a pause holds for what was there, what falls due, fresh workers and a restart of everything; resumed, all run within 5 s', async () => {
  const env = { DATABASE_URL: db.url }
  const folder = project({ 'handlers/test.ts': NOTING_HANDLER })
  const startWorker = () => forgeq(folder, ['worker'], { env })
  const first = startWorker()
  await first.printed('serves')
  const firstServer = await server(folder, [], { env })
  const running = (await answer(folder, ['enqueue', '--type', 'test', '--payload', '{"ms":2000}'], { env })).split(
    '\t',
  )[0]!
  await until(() => notesOf(folder).length === 1)

  await answer(folder, ['queues', 'pause', 'default', '--reason', 'maintenance'], { env })
  await answer(folder, ['enqueue', '--ndjson'], { env, stdin: '{"type":"test"}\n'.repeat(100) })
  const delayed = await insertJob(db.pool, { state: 'scheduled', dueInMs: 1_000 })
  const failed = await insertJob(db.pool, { state: 'retrying', attempt: 1, dueInMs: 1_000 })
  const fresh = Array.from({ length: 3 }, startWorker)
  await Promise.all(fresh.map((worker) => worker.printed('serves')))
  for (const process of [first, firstServer]) process.kill('SIGTERM')
  expect(await Promise.all([first.ended, firstServer.ended])).toEqual([0, 0])
  const again = startWorker()
  await again.printed('serves')
  await server(folder, [], { env })

  // Nothing happens, which no event tells: the span itself is what is tested.
  await new Promise((resolve) => setTimeout(resolve, QUIET_MS))
  expect(notesOf(folder)).toHaveLength(1)
  expect((await jobOf(db.pool, running)).state).toBe('completed')
  for (const id of [delayed, failed]) expect((await jobOf(db.pool, id)).state).toBe('pending')
  const [queue] = await answerJson<{ paused: object; depth: object }[]>(folder, ['queues', 'list'], { env })
  expect(queue).toMatchObject({ paused: { reason: 'maintenance' }, depth: { pending: 102 } })

  await answer(folder, ['queues', 'resume', 'default'], { env })
  const resumedAt = performance.now()
  await until(() => notesOf(folder).length === 103)
  expect(performance.now() - resumedAt).toBeLessThan(5_000)
}, 60_000)
