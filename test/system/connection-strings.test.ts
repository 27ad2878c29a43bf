import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { answer, answerJson, forgeq, leaveNothing, project, ran, ROOT, start, type Running } from './processes.ts'
import { closeProxies, openProxy } from './proxy.ts'

const PASSWORD = 'p@s:s/w#r%d?&[]+ ü'
const ENCODED = encodeURIComponent(PASSWORD)
/** In whole or in part, as it is, encoded, or as JSON shows it. */
const PARTS = [PASSWORD, ENCODED, JSON.stringify(PASSWORD).slice(1, -1), 'w#r%d', 'w%23r%25d', 'p@s:s', 'p%40s%3As']
const ROLE = 'hostile_password'

const db = testDatabase({ template: false })
afterEach(leaveNothing)
afterEach(closeProxies)

beforeAll(async () => {
  await db.sql(`create role ${ROLE} login password '${PASSWORD.replaceAll("'", "''")}'`)
  await db.sql(`grant all on database ${db.connection.database} to ${ROLE}`)
})
afterAll(async () => {
  await db.sql(`drop owned by ${ROLE}`)
  await db.sql(`drop role ${ROLE}`)
})

const overSocket = (password: string): string => {
  const { host, port } = inject('server')
  return `postgres://${ROLE}:${password}@/${db.connection.database}?host=${encodeURIComponent(host)}&port=${port}`
}

const overTcp = async (password: string): Promise<string> => {
  const { url } = await openProxy(db.connection)
  const { port } = new URL(url)
  return `postgres://${ROLE}:${password}@127.0.0.1:${port}/${db.connection.database}?sslmode=disable`
}

function expectSecret(...texts: string[]): void {
  for (const text of texts) for (const part of PARTS) expect(text).not.toContain(part)
}

/** The arguments of a process and of everything that it has started. */
function argumentsOf(pid: number): string {
  const parents = new Map(
    readdirSync('/proc').flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        return [[Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])] as const]
      } catch {
        return []
      }
    }),
  )
  const family = (one: number): number[] => [
    one,
    ...[...parents].filter(([, parent]) => parent === one).flatMap(([child]) => family(child)),
  ]
  return family(pid)
    .map((one) => readFileSync(`/proc/${one}/cmdline`, 'utf8'))
    .join('\n')
}

test.each([
  ['a unix socket', overSocket],
  ['TCP', overTcp],
] as const)(
  'a password of every awkward character connects over %s for migrate, server, worker, dev and enqueue, and shows up nowhere',
  async (_, urlWith) => {
    const env = { DATABASE_URL: await urlWith(ENCODED) }
    const folder = project({ 'handlers/hello.ts': 'export default () => 1\n' })
    const migrated = await ran(folder, ['migrate', 'up', '--log-level', 'debug'], { env })
    expect(migrated.code, migrated.err).toBe(0)
    const staying: Running[] = []
    for (const args of [['server', '--port', '0'], ['worker'], ['dev', '--port', '0']]) {
      const process = forgeq(folder, [...args, '--log-level', 'debug'], { env })
      staying.push(process)
      await process.printed(/listens on|serves hello|is ready/)
    }
    const enqueued = await ran(folder, ['enqueue', '--type', 'hello', '--wait', '--log-level', 'debug'], { env })
    expect(enqueued.code, enqueued.err).toBe(0)
    const config = await ran(folder, ['config'], { env })
    const json = await ran(folder, ['config', '--json'], { env })
    expect(config.out).toContain('***')
    for (const { pid } of staying) expectSecret(argumentsOf(pid))
    for (const process of staying) process.kill('SIGTERM')
    await Promise.all(staying.map(({ ended }) => ended))
    expectSecret(...staying.map((process) => process.text()))
    for (const { out, err } of [migrated, enqueued, config, json]) expectSecret(out, err)
  },
  60_000,
)

test('the library connects with it, too', async () => {
  const folder = project({
    'enqueue.mjs': `import { ForgeQ } from ${JSON.stringify(`${ROOT}dist/index.js`)}
const forgeq = new ForgeQ({ databaseUrl: process.env.DATABASE_URL })
const { id } = await forgeq.enqueue('library_job', {})
console.log(id)
await forgeq.close()
`,
  })
  const env = { DATABASE_URL: overSocket(ENCODED) }
  await answer(folder, ['migrate', 'up'], { env })
  const program = start(folder, process.execPath, ['enqueue.mjs'], { env })
  expect(await program.ended, program.text()).toBe(0)
  expect(await answerJson(folder, ['jobs', 'show', program.out().trim()], { env })).toMatchObject({
    type: 'library_job',
  })
})

test.each(['server', 'worker', 'migrate status', 'enqueue --type t', 'dev'])(
  'put into the URL as it is, %s refuses at once, advises to percent-encode and does not show it',
  async (command) => {
    const { code, out, err } = await ran(project(), command.split(' '), { env: { DATABASE_URL: overSocket(PASSWORD) } })
    expect([1, 2]).toContain(code)
    expect(err).toMatch(/percent-encode|%40/i)
    expectSecret(out, err)
  },
)

test('a wrong password is said once, with what was tried and without the password, and the command exits 1', async () => {
  const { code, err } = await ran(project(), ['jobs', 'list'], {
    env: { DATABASE_URL: overSocket('wrong-horse-battery') },
  })
  expect(code).toBe(1)
  expect(err).toContain(ROLE)
  expect(err).not.toContain('wrong-horse-battery')
})

test('a worker that waits because its password is refused says so, without the password', async () => {
  const worker = forgeq(project(), ['worker'], { env: { DATABASE_URL: overSocket('wrong-horse-battery') } })
  await worker.printed('waiting for the database')
  await worker.printed('password authentication failed')
  worker.kill('SIGTERM')
  expect(await worker.ended, worker.text()).toBe(0)
  expect(worker.text()).not.toContain('wrong-horse-battery')
})
