import { afterEach, expect, test } from 'vitest'
import { jobOf } from '../support/factory.ts'
import { testDatabase } from '../support/database.ts'
import { NOTING_HANDLER, notesOf } from './notes.ts'
import { answer, forgeq, freePort, kill, leaveNothing, project, until } from './processes.ts'

const db = testDatabase()
afterEach(leaveNothing)

const JOBS = 5
const FLAGS = ['--lease', '2s', '--heartbeat', '500ms', '--recovery-interval', '500ms']

const leasesLost = async (port: number): Promise<number> => {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return [...text.matchAll(/^forgeq_lease_lost_total(?:\{[^}]*\})? (\d+)/gm)].reduce((sum, [, n]) => sum + Number(n), 0)
}

test('what a worker reports that was stopped beyond its lease is refused; another completes its jobs, once each', async () => {
  const env = { DATABASE_URL: db.url }
  const folder = project({ 'handlers/job.ts': NOTING_HANDLER })
  const port = await freePort()
  const asleep = forgeq(folder, ['worker', '--name', 'asleep', '--metrics-port', String(port), ...FLAGS], { env })
  await asleep.printed('serves job')
  const lines = `{"type":"job","payload":{"ms":1500}}\n`.repeat(JOBS)
  const ids = (await answer(folder, ['enqueue', '--ndjson'], { env, stdin: lines }))
    .trim()
    .split('\n')
    .map((line) => line.split('\t')[0]!)
  await until(() => notesOf(folder).length === JOBS)
  kill(asleep.pid, 'SIGSTOP')

  await forgeq(folder, ['worker', '--name', 'awake', ...FLAGS], { env }).printed('serves job')
  await until(() => notesOf(folder).length === 2 * JOBS)
  await until(async () =>
    (await Promise.all(ids.map((id) => jobOf(db.pool, id)))).every(({ state }) => state === 'completed'),
  )

  kill(asleep.pid, 'SIGCONT')
  await asleep.printed('outcome refused')
  await until(async () => (await leasesLost(port)) === JOBS)
  for (const id of ids) {
    const job = await jobOf(db.pool, id)
    const [first, second] = notesOf(folder).filter(({ job }) => job === id)
    expect(job).toMatchObject({
      state: 'completed',
      attempt: 2,
      lost: 1,
      resultJson: expect.stringContaining(String(second!.pid)) as string,
    })
    expect(job.attempts).toMatchObject([
      { attempt: 1, token: first!.token, outcome: 'lost', worker: { name: 'asleep' } },
      { attempt: 2, token: second!.token, outcome: 'completed', worker: { name: 'awake' } },
    ])
  }

  // It goes on as a new session: its next job is its own again.
  const again = await answer(folder, ['enqueue', '--type', 'job', '--wait'], { env })
  expect(again).toContain('completed')
  expect(await leasesLost(port)).toBe(JOBS)
})
