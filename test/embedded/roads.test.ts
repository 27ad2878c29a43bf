import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import {
  alsoClean,
  cleanUp,
  keepersOf,
  modeOf,
  madeDataDir,
  newProject,
  open,
  processesOf,
  query,
  serversOf,
  startUser,
  testAsRoot,
  uidOf,
  until,
} from './harness.ts'

afterEach(cleanUp)

const passwd = readFileSync('/etc/passwd', 'utf8')
const idsOf = (name: string) => {
  const [, , uid, gid] = passwd
    .split('\n')
    .find((line) => line.startsWith(`${name}:`))!
    .split(':')
  return { uid: Number(uid), gid: Number(gid) }
}

/** Runs a command where some programs of the system cannot be run. */
const without = (...programs: string[]) => {
  const hide = programs.map((path) => `mount --bind /dev/null ${path}`).join(' && ')
  return ['unshare', '--mount', 'sh', '-c', `${hide} && exec "$@"`, 'sh']
}

test('works at a path of 150 bytes with a space and an umlaut, the socket in a short private folder', async () => {
  const project = join(newProject(), `Büro Ost, "2" ${'x'.repeat(150 - 30)}`)
  mkdirSync(project)
  const dataDir = join(project, '.forgeq')
  const first = await open({ dataDir, lingerMs: 500 })
  await query(first.connection, 'create table kept as select 42 as answer')
  const { host } = first.connection
  expect(Buffer.byteLength(dataDir)).toBeGreaterThan(150)
  expect(Buffer.byteLength(host)).toBeLessThan(90)
  expect(modeOf(host)).toBe('700')
  const second = await open({ dataDir, lingerMs: 500 })
  expect(await query(second.connection, 'select answer from kept')).toEqual([{ answer: 42 }])
  // A pool goes on at the address it knows.
  process.kill(serversOf(project)[0]!, 'SIGKILL')
  await second.ensureRunning()
  expect(second.connection.host).toBe(host)
  await Promise.all([first.release(), second.release()])
  await until(() => !processesOf(project).length)
  expect(existsSync(host)).toBe(false)
})

test('a path just too long for a socket, by its bytes, is noticed', async () => {
  const parent = newProject()
  const project = join(parent, 'ü'.repeat(30))
  mkdirSync(project)
  const { connection } = await open({ dataDir: join(project, '.forgeq') })
  alsoClean(connection.host)
  expect(connection.host.startsWith(parent)).toBe(false)
})

testAsRoot('root in a folder closed to others: runs as nobody all the same, and is shared', async () => {
  const project = newProject()
  chmodSync(project, 0o700)
  const dataDir = join(project, '.forgeq')
  const first = await open({ dataDir, lingerMs: 500 })
  const second = startUser(dataDir, { lingerMs: 500 })
  expect((await second.said('open')).created).toBe(false)
  const { uid } = idsOf('nobody')
  expect(serversOf(dataDir).map(uidOf)).toEqual([uid])
  expect(modeOf(project)).toBe('700')
  expect(statSync(project).uid).toBe(0)
  expect([modeOf(dataDir), statSync(join(dataDir, 'cluster/data')).uid]).toEqual(['700', uid])
  const [server] = serversOf(dataDir)
  const capabilities = /^CapEff:\s*(\w+)/m.exec(readFileSync(`/proc/${server}/status`, 'utf8'))![1]!
  expect([1n << 1n, 1n << 2n]).toContain(BigInt(`0x${capabilities}`)) // one of the two that open folders, no other
  await first.release()
})

testAsRoot('root in an open folder: nobody without any capability', async () => {
  const dataDir = await madeDataDir()
  await open({ dataDir })
  const [server] = serversOf(dataDir)
  expect(uidOf(server!)).toBe(idsOf('nobody').uid)
  expect(readFileSync(`/proc/${server}/status`, 'utf8')).toMatch(/^CapEff:\s*0+$/m)
})

testAsRoot(
  'root in a closed folder without setpriv: the data go to a folder of the system, with a pointer',
  async () => {
    const project = newProject()
    if (!existsSync('/var/lib/forgeq')) alsoClean('/var/lib/forgeq')
    chmodSync(project, 0o700)
    const dataDir = join(project, '.forgeq')
    const first = startUser(dataDir, { lingerMs: 500, wrapper: without('/usr/bin/setpriv') })
    const { connection, created } = await first.said('open')
    expect(created).toBe(true)
    const root = readFileSync(join(dataDir, 'moved-to'), 'utf8').trim()
    alsoClean(root)
    expect(dirname(root)).toBe('/var/lib/forgeq')
    expect([modeOf(root), statSync(root).uid]).toEqual(['700', idsOf('nobody').uid])
    await query(connection!, 'create table kept as select 42 as answer')
    const second = startUser(dataDir, { lingerMs: 500 })
    expect((await second.said('open')).created).toBe(false)
    first.tell('release')
    second.tell('release')
    await Promise.all([first.said('release done'), second.said('release done')])
    await until(() => !serversOf(root).length && !keepersOf(root).length)
    const again = await open({ dataDir, lingerMs: 500 })
    expect(await query(again.connection, 'select answer from kept')).toEqual([{ answer: 42 }])
    await again.release()
    await until(() => !serversOf(root).length && !keepersOf(root).length)
    rmSync(root, { recursive: true })
    await expect(open({ dataDir })).rejects.toMatchObject({
      code: 'embedded_failed',
      message: expect.stringContaining('is gone') as string,
    })
  },
)

testAsRoot('an ordinary user runs it as itself, and root joins it in the same folder', async () => {
  const user = idsOf('daemon')
  const project = newProject()
  chownSync(project, user.uid, user.gid)
  const dataDir = join(project, '.forgeq')
  const first = startUser(dataDir, { lingerMs: 500, ...user })
  await query((await first.said('open')).connection!, 'create table kept as select 42 as answer')
  expect(serversOf(dataDir).map(uidOf)).toEqual([user.uid])
  const asRoot = await open({ dataDir, lingerMs: 500 })
  expect(await query(asRoot.connection, 'select answer from kept')).toEqual([{ answer: 42 }])
  await first.kill('SIGKILL')
  await asRoot.release()
  await until(() => !serversOf(dataDir).length && !keepersOf(dataDir).length)
  await (await open({ dataDir, lingerMs: 500 })).release() // root starts it, as the user
  expect(serversOf(dataDir).map(uidOf)).toEqual([user.uid])
  const last = startUser(dataDir, { lingerMs: 500, ...user })
  expect((await last.said('open')).created).toBe(false)
})

testAsRoot('without flock and perl there is a lock all the same: four at once get one server', async () => {
  const dataDir = join(newProject(), '.forgeq')
  const wrapper = without('/usr/bin/flock', '/usr/bin/perl')
  const users = Array.from({ length: 4 }, () => startUser(dataDir, { lingerMs: 500, wrapper }))
  const opened = await Promise.all(users.map((user) => user.said('open')))
  expect(opened.filter(({ created }) => created)).toHaveLength(1)
  const [server] = serversOf(dataDir)
  expect(serversOf(dataDir)).toEqual([server])
  process.kill(server!, 'SIGKILL')
  for (const user of users) user.tell('ensure')
  await Promise.all(users.map((user) => user.said('ensure done')))
  expect(serversOf(dataDir)).toHaveLength(1)
  expect(readdirSync(join(dataDir, 'users'))).toHaveLength(4)
  await Promise.all(users.map((user) => user.kill('SIGKILL')))
  await until(() => !processesOf(dataDir).length)
})
