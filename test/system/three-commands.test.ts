import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { answer, answerJson, forgeq, leaveNothing, project, until, type Running } from './processes.ts'

afterEach(leaveNothing)

const HANDLER = `export default ({ email }: { email: string }) => ({ sent: email })\n`
const PAYLOAD = '{"email":"test@example.com"}'
const TERMINALS = {
  server: { args: ['server', '--port', '0'], says: 'listens on' },
  worker: { args: ['worker', '--concurrency', '10'], says: 'serves send_email' },
  enqueue: { args: ['enqueue', '--type', 'send_email', '--payload', PAYLOAD], says: 'pending' },
} as const

type Command = keyof typeof TERMINALS
const ORDERS: Command[][] = [
  ['server', 'worker', 'enqueue'],
  ['server', 'enqueue', 'worker'],
  ['worker', 'server', 'enqueue'],
  ['worker', 'enqueue', 'server'],
  ['enqueue', 'server', 'worker'],
  ['enqueue', 'worker', 'server'],
]

const open = (folder: string, command: Command): Running => forgeq(folder, TERMINALS[command].args)

async function completes(folder: string, enqueue: Running): Promise<void> {
  expect(await enqueue.ended, enqueue.text()).toBe(0)
  const [id] = enqueue.out().split('\t')
  let job: { state: string } | undefined
  await until(async () => {
    job = await answerJson<{ state: string }>(folder, ['jobs', 'show', id!])
    return job.state === 'completed'
  })
  expect(job).toMatchObject({ state: 'completed', attempt: 1, result: { sent: 'test@example.com' } })
}

test.each(ORDERS)('%s, then %s, then %s in a new project: the job completes', async (...order) => {
  const folder = project({ 'handlers/send_email.ts': HANDLER })
  const terminals = {} as Record<Command, Running>
  for (const command of order) {
    terminals[command] = open(folder, command)
    await terminals[command].printed(TERMINALS[command].says)
  }
  await completes(folder, terminals.enqueue)
  for (const name of ['server', 'worker'] as const) {
    terminals[name].kill('SIGTERM')
    expect(await terminals[name].ended, terminals[name].text()).toBe(0)
  }
  expect(existsSync(join(folder, '.forgeq', 'server.json'))).toBe(false)
})

test('all three started at the same moment in a new project: the job completes', async () => {
  const folder = project({ 'handlers/send_email.ts': HANDLER })
  const terminals = (['enqueue', 'worker', 'server'] as const).map((command) => open(folder, command))
  await completes(folder, terminals[0]!)
  await Promise.all([terminals[1]!.printed('serves send_email'), terminals[2]!.printed('listens on')])
})

test('what was enqueued is there after everything has been restarted', async () => {
  const folder = project({ 'handlers/send_email.ts': HANDLER })
  const first = open(folder, 'server')
  await first.printed('listens on')
  const [id] = (await answer(folder, TERMINALS.enqueue.args)).split('\t')
  first.kill('SIGKILL')
  await first.ended
  const second = open(folder, 'server')
  await second.printed('listens on')
  expect(await answerJson(folder, ['jobs', 'show', id!])).toMatchObject({ id, state: 'pending', attempt: 0 })
})
