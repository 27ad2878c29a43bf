import { afterEach, expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { NOTING_HANDLER, notesOf } from './notes.ts'
import { answer, answerJson, forgeq, leaveNothing, project, stop, until } from './processes.ts'

const db = testDatabase()
afterEach(leaveNothing)

interface Shown {
  state: string
  attempt: number
  lost: number
}

const SHORT = ['--lease', '2s', '--heartbeat', '500ms', '--recovery-interval', '500ms']
const show = (folder: string, id: string) =>
  answerJson<Shown>(folder, ['jobs', 'show', id], { env: { DATABASE_URL: db.url } })

/** A project whose only handler serves `type` and takes 60 s; jobs of other tests are not its own. */
const projectOf = (type: string) => project({ [`handlers/${type}.ts`]: NOTING_HANDLER })

async function startWorker(folder: string, name: string, flags: string[]): Promise<void> {
  await forgeq(folder, ['worker', '--name', name, ...flags], { env: { DATABASE_URL: db.url } }).printed('serves')
}

async function startJob(folder: string, type: string): Promise<string> {
  const args = ['enqueue', '--type', type, '--payload', '{"ms":60000}']
  const [id] = (await answer(folder, args, { env: { DATABASE_URL: db.url } })).split('\t')
  await until(() => notesOf(folder).length === 1)
  return id!
}

/** Kills the worker that runs the job and waits until it runs again; gives how long that took. */
async function killAndWait(folder: string): Promise<number> {
  const killedAt = performance.now()
  stop(notesOf(folder)[0]!.pid)
  await until(() => notesOf(folder).length === 2)
  return performance.now() - killedAt
}

async function expectSecondRun(folder: string, id: string): Promise<void> {
  const [first, second] = notesOf(folder)
  expect(second).toMatchObject({ job: id, attempt: 2 })
  expect(second!.token).toBeGreaterThan(first!.token)
  expect(second!.pid).not.toBe(first!.pid)
  expect(await show(folder, id)).toMatchObject({
    state: 'running',
    attempt: 2,
    lost: 1,
    attempts: [
      { attempt: 1, token: first!.token, outcome: 'lost' },
      { attempt: 2, token: second!.token, outcome: 'running' },
    ],
  })
  const shown = await answer(folder, ['jobs', 'show', id], { env: { DATABASE_URL: db.url } })
  expect(shown).toMatch(new RegExp(`lease expired: worker w-[12], host \\S+, pid ${first!.pid}, last seen \\d{4}-`))
}

test('a job whose worker was killed with -9 runs again on another within lease and recovery interval', async () => {
  const folder = projectOf('short_lease')
  for (const name of ['w-1', 'w-2']) await startWorker(folder, name, SHORT)
  const id = await startJob(folder, 'short_lease')
  expect(await killAndWait(folder)).toBeLessThan(2_000 + 500 + 1_000) // and the time of two looks
  await expectSecondRun(folder, id)
})

test('at the defaults it runs again within 20 s', async () => {
  const folder = projectOf('default_lease')
  for (const name of ['w-1', 'w-2']) await startWorker(folder, name, [])
  const id = await startJob(folder, 'default_lease')
  const tookMs = await killAndWait(folder)
  console.log(`kill -9 to running again at the defaults: ${Math.round(tookMs)} ms`)
  expect(tookMs).toBeLessThan(20_000)
  await expectSecondRun(folder, id)
}, 60_000)

test('with nobody left but a server the job is pending again, and the next worker runs it', async () => {
  const folder = projectOf('no_worker')
  const env = { DATABASE_URL: db.url }
  await forgeq(folder, ['server', '--port', '0', '--recovery-interval', '500ms'], { env }).printed('listens on')
  await startWorker(folder, 'w-1', [...SHORT, '--no-loops'])
  const id = await startJob(folder, 'no_worker')
  stop(notesOf(folder)[0]!.pid)
  await until(async () => (await show(folder, id)).state === 'pending')
  await startWorker(folder, 'w-2', [...SHORT, '--no-loops'])
  await until(() => notesOf(folder).length === 2)
  await expectSecondRun(folder, id)
})
