import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { placeOf } from '../../src/embedded/place.ts'
import { isPostmaster } from '../../src/embedded/postmaster-file.ts'
import {
  cleanUp,
  keepersOf,
  kill,
  madeDataDir,
  newProject,
  open,
  processesOf,
  query,
  serversOf,
  startUser,
  unfinishedClusters,
  until,
} from './harness.ts'

afterEach(cleanUp)

/** Everything that works in the folder dies at once, as when the machine loses power. */
async function killEverything(dataDir: string): Promise<void> {
  for (const { pid } of processesOf(dataDir)) kill(pid, 'SIGKILL')
  await until(() => !processesOf(dataDir).length)
}

test('a maker killed in the middle of initdb leaves nothing half made, whichever of its processes dies', async () => {
  const dataDir = join(newProject(), '.forgeq')
  for (const wholeTree of [false, true]) {
    const user = startUser(dataDir)
    await user.said('embedded_init')
    await until(() => unfinishedClusters(dataDir).some((name) => existsSync(join(dataDir, name, 'data', 'PG_VERSION'))))
    await user.kill('SIGKILL')
    if (wholeTree) await killEverything(dataDir)
    expect(existsSync(join(dataDir, 'cluster'))).toBe(false)
  }
  const { created, connection } = await open({ dataDir })
  expect(created).toBe(true)
  expect(await query(connection, 'select 1 as one')).toEqual([{ one: 1 }])
  expect(unfinishedClusters(dataDir)).toEqual([])
})

test('a maker killed between the start and its database is finished by the next one', async () => {
  const dataDir = join(newProject(), '.forgeq')
  const user = startUser(dataDir)
  await user.said('embedded_start')
  await user.kill('SIGKILL')
  const { created, connection } = await open({ dataDir })
  expect(created).toBe(false)
  expect(await query(connection, 'select current_database() as name')).toEqual([{ name: 'forgeq' }])
})

test('after kill -9 of all its users it stops by itself, with its data', async () => {
  const dataDir = await madeDataDir()
  const users = [startUser(dataDir), startUser(dataDir)]
  const [opened] = await Promise.all(users.map((user) => user.said('open')))
  await query(opened!.connection!, 'create table kept as select 42 as answer')
  await until(() => keepersOf(dataDir).length === 1)
  await Promise.all(users.map((user) => user.kill('SIGKILL')))
  await until(() => !processesOf(dataDir).length)
  expect(readdirSync(join(dataDir, 'users'))).toEqual([])
  const again = await open({ dataDir })
  expect(await query(again.connection, 'select answer from kept')).toEqual([{ answer: 42 }])
})

test('after kill -9 of its users and its keeper it runs on, and the next user brings a new keeper', async () => {
  const dataDir = await madeDataDir()
  const user = startUser(dataDir)
  await user.said('open')
  await until(() => keepersOf(dataDir).length === 1)
  const [server] = serversOf(dataDir)
  await user.kill('SIGKILL')
  for (const pid of keepersOf(dataDir)) kill(pid, 'SIGKILL')
  const next = await open({ dataDir, lingerMs: 500 })
  expect(serversOf(dataDir)).toEqual([server])
  await next.release()
  await until(() => !processesOf(dataDir).length)
})

test('a user replaces a keeper that was killed', async () => {
  const dataDir = await madeDataDir()
  const { release } = await open({ dataDir, lingerMs: 500 })
  await until(() => existsSync(join(dataDir, 'keeper')))
  const [killed] = keepersOf(dataDir)
  kill(killed!, 'SIGKILL')
  await until(() => keepersOf(dataDir).some((pid) => pid !== killed))
  await release()
  await until(() => !processesOf(dataDir).length)
})

test('after kill -9 of the server all its users may ask for it again at once and get one', async () => {
  const dataDir = await madeDataDir()
  const users = await Promise.all(Array.from({ length: 4 }, () => open({ dataDir, lingerMs: 500 })))
  await query(users[0]!.connection, 'create table kept as select 42 as answer')
  for (let round = 0; round < 3; round++) {
    const [killed] = serversOf(dataDir)
    kill(killed!, 'SIGKILL')
    await Promise.all(users.map((user) => user.ensureRunning()))
    expect(serversOf(dataDir)).toHaveLength(1)
    expect(serversOf(dataDir)).not.toEqual([killed])
    expect(await query(users[3]!.connection, 'select answer from kept')).toEqual([{ answer: 42 }])
  }
  await users[0]!.ensureRunning()
  expect(readdirSync(join(dataDir, 'users'))).toHaveLength(4)
  await Promise.all(users.map((user) => user.release()))
  await until(() => !processesOf(dataDir).length)
})

test('survivors of a killed server that do not end by themselves are ended before the next one starts', async () => {
  const dataDir = await madeDataDir()
  const user = await open({ dataDir, lingerMs: 500 })
  const [server] = serversOf(dataDir)
  const survivor = processesOf(dataDir).find(({ args }) => args.startsWith('postgres: checkpointer'))!.pid
  kill(survivor, 'SIGSTOP')
  kill(server!, 'SIGKILL')
  await user.ensureRunning()
  expect(isPostmaster(survivor, placeOf(dataDir).data)).toBe(false)
  expect(await query(user.connection, 'select 1 as one')).toEqual([{ one: 1 }])
  await user.release()
})

test('a reboot leaves a pid that is now another program, stale sockets and stale users: all are seen through', async () => {
  const dataDir = await madeDataDir()
  const { data, socket, users } = placeOf(dataDir)
  const user = startUser(dataDir)
  await query((await user.said('open')).connection!, 'create table kept as select 42 as answer')
  await killEverything(dataDir)
  // PostgreSQL looks only at processes of its own user.
  const { uid, gid } = statSync(data)
  const other = spawn('sleep', ['60'], { uid, gid })
  try {
    for (const file of [join(data, 'postmaster.pid'), join(socket, '.s.PGSQL.5432.lock')])
      writeFileSync(file, readFileSync(file, 'utf8').replace(/^\d+/, String(other.pid)))
    const [stale] = readdirSync(users)
    renameSync(join(users, stale!), join(users, stale!.replace(/^\d+/, String(other.pid))))
    writeFileSync(join(dataDir, 'keeper'), stale!.replace(/^\d+/, String(other.pid)).replace(/-\w+$/, ''))
    const again = await open({ dataDir, lingerMs: 500 })
    expect(await query(again.connection, 'select answer from kept')).toEqual([{ answer: 42 }])
    await again.release()
    await until(() => !processesOf(dataDir).length)
  } finally {
    other.kill()
  }
})

test('a server whose socket was deleted is replaced', async () => {
  const dataDir = await madeDataDir()
  const user = await open({ dataDir, lingerMs: 500 })
  rmSync(join(dataDir, 'socket'), { recursive: true })
  await user.ensureRunning()
  expect(await query(user.connection, 'select 1 as one')).toEqual([{ one: 1 }])
  expect(serversOf(dataDir)).toHaveLength(1)
  await user.release()
})

test('a folder that is deleted under the server takes the server with it, and is not made again', async () => {
  const dataDir = await madeDataDir()
  const user = startUser(dataDir)
  await user.said('open')
  await until(() => existsSync(join(dataDir, 'keeper')))
  const pids = [...serversOf(dataDir), ...keepersOf(dataDir)]
  // Long enough for the keeper to have seen the server that it will have to end.
  await query((await user.said('open')).connection!, 'select pg_sleep(1)')
  rmSync(dataDir, { recursive: true })
  await until(() => pids.every((pid) => !existsSync(`/proc/${pid}`)))
  await user.kill('SIGTERM')
  expect(existsSync(dataDir)).toBe(false)
})
