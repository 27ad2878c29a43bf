import { expect, test } from 'vitest'
import { cli } from './cli.ts'
import { fakeApp, figuresOf, workerOf } from './fake-app.ts'

const depth = { scheduled: 0, pending: 3, running: 1, retrying: 0, blocked: 0, dead: 2 }

test('queues list says that no live worker serves a type', async () => {
  const app = fakeApp()
  app.queuesList.push(figuresOf('emails', { depth, oldestPendingSeconds: 90, unservedTypes: ['send_email'] }))
  const { code, stdout } = await cli(['queues', 'list'], { app })
  expect(code).toBe(0)
  expect(stdout).toBe('emails\t3\t1\t0\t0\t2\t1 min\t0.0\t0.0\t0\tno live worker serves send_email\n')
  const json = await cli(['queues', 'list', '--json'], { app })
  expect(JSON.parse(json.stdout)).toMatchObject([
    { name: 'emails', oldest_pending_seconds: 90, unserved_types: ['send_email'] },
  ])
})

test('pause tells reason, who and until; resume ends it', async () => {
  const app = fakeApp()
  app.queuesList.push(figuresOf('emails'))
  const args = ['queues', 'pause', 'emails', '--reason', 'provider down', '--until', '2027-06-01T14:00:00+02:00']
  const paused = await cli(args, { app, env: { USER: 'ada' } })
  expect(paused.code).toBe(0)
  expect(paused.stdout).toMatch(/paused {6}since .* by ada until 2027-06-01T12:00:00Z .*: provider down/)
  const resumed = await cli(['queues', 'resume', 'emails', '--json'], { app })
  expect(JSON.parse(resumed.stdout)).not.toHaveProperty('paused')
})

test('an unknown queue ends 1 with the one that was meant; an impossible name or time ends 2', async () => {
  const app = fakeApp()
  app.queuesList.push(figuresOf('emails'))
  const unknown = await cli(['queues', 'show', 'emials'], { app })
  expect(unknown.code).toBe(1)
  expect(unknown.stderr).toContain('did you mean emails?')
  expect((await cli(['queues', 'show', 'a/b'], { app })).code).toBe(2)
  expect((await cli(['queues', 'pause', 'emails', '--until', 'tomorrow'], { app })).code).toBe(2)
})

test('workers list and show print the wire’s shapes and lines for people', async () => {
  const app = fakeApp()
  const worker = workerOf('w1', { running: 2, status: 'draining' })
  app.workersList.push(worker)
  expect((await cli(['workers', 'list'], { app })).stdout).toBe(
    `${worker.id}\tw1\tdraining\t2/10\tall\tsend_email\t${worker.lastHeartbeatAt}\n`,
  )
  expect(JSON.parse((await cli(['workers', 'list', '--json'], { app })).stdout)).toMatchObject([
    { id: worker.id, last_heartbeat_at: worker.lastHeartbeatAt },
  ])
  expect((await cli(['workers', 'show', worker.id], { app })).stdout).toContain('status      draining')
  expect((await cli(['workers', 'list'])).stderr).toContain('forgeq worker')
})

test('migrate up, status and sql open the database without asking for its schema', async () => {
  const up = await cli(['migrate', 'up'])
  expect(up.stdout).toBe('applied 2\n')
  expect(up.app.opened).toMatchObject({ schema: 'skip', whenAway: 'fail' })
  const status = await cli(['migrate', 'status', '--json'])
  expect(JSON.parse(status.stdout)).toEqual([
    { version: 1, name: 'base', applied_at: '2027-06-01T12:00:00.000000Z' },
    { version: 2, name: 'more' },
  ])
  expect((await cli(['migrate', 'sql'])).stdout).toBe('create table t ();\n')
})
