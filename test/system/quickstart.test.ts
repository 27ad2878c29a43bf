import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { leaveNothing, project, ROOT, start } from './processes.ts'

afterEach(leaveNothing)

const INSTALLED = existsSync(join(ROOT, 'examples', 'quickstart', 'node_modules', 'nodemailer'))
const START = join('examples', 'quickstart', 'start.js')

/** A test that needs the example's own packages; without them it is skipped under a name that says so, and fails in CI. */
function testInstalled(name: string, run: () => Promise<void>): void {
  if (INSTALLED) test(name, run, 120_000)
  else if (process.env.CI) test(name, () => Promise.reject(new Error('run npm ci --prefix examples/quickstart first')))
  else test.skip(`NOT RUN, needs npm ci --prefix examples/quickstart: ${name}`, run)
}

/** Its database in a folder of the test's own, not the clone's. */
const env = () => ({ FORGEQ_DATA_DIR: join(project(), 'data'), QUICKSTART_SMTP_PORT: '0' })

testInstalled('the quickstart does its 226 jobs, finds that all its claims hold, and exits 0', async () => {
  const run = start(ROOT, process.execPath, [START, '--once'], { env: env() })
  const first = await run.printed(/first job completed, (\d+\.\d) s after the start/)
  console.log(`quickstart, in a new data folder: ${first}`)
  expect(await run.ended, run.text()).toBe(0)
  expect(run.text()).toContain('226 jobs are enqueued')
  expect(run.text().match(/✓ /g)).toHaveLength(7)
  expect(run.text()).not.toMatch(/✗|"level":|Error:/) // the log has a file of its own
  expect(readFileSync(join(ROOT, 'examples', 'quickstart', 'out', 'forgeq.log'), 'utf8')).toContain('job completed')
})

testInstalled(
  'without --once it stays up with the next steps until Ctrl-C, then ends 0 and leaves no server',
  async () => {
    const run = start(ROOT, process.execPath, [START], { env: env() })
    await run.printed('Ctrl-C stops everything', 60_000)
    const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(run.text())!
    const answered = await fetch(`${url}/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"type":"send_email","payload":{"email":"test@example.com"}}',
    })
    const { id } = (await answered.json()) as { id: string }
    await run.printed(new RegExp(`job completed.*${id}|${id}.*job completed`)) // now the worker's log is shown
    run.kill('SIGINT')
    expect(await run.ended, run.text()).toBe(0)
    await expect(fetch(`${url}/healthz`)).rejects.toThrow()
  },
)
