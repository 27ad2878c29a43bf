import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { acquireLock } from '../../src/embedded/lock.ts'
import { placeOf, type Place } from '../../src/embedded/place.ts'
import { enterUser, leaveUser } from '../../src/embedded/users.ts'
import {
  cleanUp,
  isRoot,
  keepersOf,
  modeOf,
  madeDataDir,
  newProject,
  open,
  query,
  serversOf,
  startUser,
  uidOf,
  until,
} from './harness.ts'

afterEach(cleanUp)

test('the first user makes the database, the next ones share it', async () => {
  const dataDir = join(newProject(), '.forgeq')
  const first = await open({ dataDir, lingerMs: 500 })
  await query(first.connection, 'create table kept as select 42 as answer')
  const second = await open({ dataDir, lingerMs: 500 })
  expect([first.created, second.created]).toEqual([true, false])
  expect(await query(second.connection, 'select answer from kept')).toEqual([{ answer: 42 }])
  expect(serversOf(dataDir)).toHaveLength(1)
  await first.release()
  await first.release()
  expect(await query(second.connection, 'select answer from kept')).toEqual([{ answer: 42 }])
  await second.release()
  await until(() => !serversOf(dataDir).length && !keepersOf(dataDir).length)
  const third = await open({ dataDir, lingerMs: 500 })
  expect(third.created).toBe(false)
  expect(await query(third.connection, 'select answer from kept')).toEqual([{ answer: 42 }])
  await third.release()
})

test('attaches within 200 ms to a server that runs', async () => {
  const dataDir = await madeDataDir()
  await open({ dataDir })
  const tookMs: number[] = []
  for (let i = 0; i < 5; i++) {
    const from = performance.now()
    await open({ dataDir })
    tookMs.push(performance.now() - from)
  }
  expect(Math.min(...tookMs)).toBeLessThan(200)
})

test('is private: folders 0700, the password 0600 and in no command line or environment, no TCP, scram', async () => {
  const dataDir = join(newProject(), '.forgeq')
  const { connection, release } = await open({ dataDir, lingerMs: 500 })
  for (const folder of ['.', 'cluster', 'cluster/data', 'socket', 'users'])
    expect(modeOf(join(dataDir, folder))).toBe('700')
  for (const file of ['cluster/password', 'postgres.log', 'lock']) expect(modeOf(join(dataDir, file))).toBe('600')
  expect(readFileSync(join(dataDir, '.gitignore'), 'utf8')).toBe('*\n')
  for (const pid of [...serversOf(dataDir), ...keepersOf(dataDir)])
    for (const file of ['cmdline', 'environ'])
      expect(readFileSync(`/proc/${pid}/${file}`, 'utf8')).not.toContain(connection.password)
  await expect(query({ ...connection, password: 'wrong' }, 'select 1')).rejects.toMatchObject({ code: '28P01' })
  const [row] = await query(
    connection,
    `select current_setting('listen_addresses') as tcp, current_setting('fsync') as fsync, current_setting('timezone') as zone,
            pg_encoding_to_char(encoding) as encoding, datlocprovider as provider, datlocale as locale
       from pg_database where datname = current_database()`,
  )
  expect(row).toEqual({ tcp: '', fsync: 'on', zone: 'UTC', encoding: 'UTF8', provider: 'b', locale: 'C.UTF-8' })
  if (isRoot) expect(serversOf(dataDir).map(uidOf)).not.toContain(0)
  await release()
})

test('takes settings from whoever starts it', async () => {
  const dataDir = await madeDataDir()
  const { connection } = await open({ dataDir, settings: { work_mem: '7MB' } })
  expect(await query(connection, 'show work_mem')).toEqual([{ work_mem: '7MB' }])
})

test('eight that start at the same moment get one database and one server', async () => {
  const dataDir = join(newProject(), '.forgeq')
  const users = Array.from({ length: 8 }, () => startUser(dataDir))
  const opened = await Promise.all(users.map((user) => user.said('open')))
  expect(opened.filter(({ created }) => created)).toHaveLength(1)
  expect(new Set(opened.map(({ connection }) => connection!.password)).size).toBe(1)
  expect(serversOf(dataDir)).toHaveLength(1)
  await until(() => keepersOf(dataDir).length === 1)
  expect(readdirSync(join(dataDir, 'users'))).toHaveLength(8)
})

test('outlives its last user by the time told, not less and little more', async () => {
  const dataDir = await madeDataDir()
  const { release } = await open({ dataDir, lingerMs: 2000 })
  await until(() => keepersOf(dataDir).length === 1)
  await release()
  const from = performance.now()
  await until(() => !serversOf(dataDir).length)
  const tookMs = performance.now() - from
  expect(tookMs).toBeGreaterThan(2000)
  expect(tookMs).toBeLessThan(15_000)
})

test('whoever comes as the last one leaves finds a server', async () => {
  const dataDir = await madeDataDir()
  const visit = async (): Promise<void> => {
    const { connection, release } = await open({ dataDir, lingerMs: 0 })
    expect(await query(connection, 'select 1 as one')).toEqual([{ one: 1 }])
    await release()
  }
  await visit()
  for (let round = 0; round < 6; round++) {
    // By turns at the moment at which it is gone, and at some moment around the keeper's look, every 500 ms.
    if (round % 2) await until(() => !serversOf(dataDir).length)
    else await new Promise((resolve) => setTimeout(resolve, 430 + round * 40))
    await visit()
    expect(serversOf(dataDir).length).toBeLessThanOrEqual(1)
  }
})

test('its keeper never stops it while somebody is deciding to use it', async () => {
  const dataDir = await madeDataDir()
  const place = placeOf(dataDir)
  const { release } = await open({ dataDir, lingerMs: 0 })
  await until(() => existsSync(place.keeper))
  const servers = serversOf(dataDir)
  const lock = await acquireLock(place.lock, 5000)
  await release()
  await threeLooks(place)
  expect(serversOf(dataDir)).toEqual(servers)
  const user = enterUser(place)
  lock!.release()
  await threeLooks(place)
  expect(serversOf(dataDir)).toEqual(servers)
  leaveUser(user)
  await until(() => !serversOf(dataDir).length)
})

/** The keeper touches its file with each look. */
async function threeLooks({ keeper }: Place): Promise<void> {
  for (let look = 0; look < 3; look++) {
    const before = statSync(keeper).mtimeMs
    await until(() => statSync(keeper).mtimeMs !== before)
  }
}

test('the Ctrl-C of the terminal in which it was started does not reach it', async () => {
  const dataDir = await madeDataDir()
  const user = startUser(dataDir, { lingerMs: 20_000 })
  await user.said('open')
  await until(() => keepersOf(dataDir).length === 1)
  const servers = serversOf(dataDir)
  process.kill(-user.pid, 'SIGINT') // to its whole process group, as a terminal does
  await user.ended
  const again = await open({ dataDir })
  expect(again.created).toBe(false)
  await until(() => keepersOf(dataDir).length === 1) // a second one, if it was started, sees the first and ends
  expect(servers).toHaveLength(1)
  expect(serversOf(dataDir)).toEqual(servers)
})
