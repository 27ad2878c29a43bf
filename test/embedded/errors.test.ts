import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { findBinaries } from '../../src/embedded/binaries.ts'
import { cannotRun } from '../../src/embedded/programs.ts'
import {
  atCleanUp,
  cleanUp,
  madeDataDir,
  newProject,
  open,
  processesOf,
  startUser,
  testAsRoot,
  until,
  type Said,
} from './harness.ts'

afterEach(cleanUp)

/** A disk of its own in a new project. */
function newDisk(megabytes: number): string {
  const disk = join(newProject(), 'disk')
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=755`, 'tmpfs', disk])
  atCleanUp(() => void execFileSync('umount', [disk]))
  return disk
}

const waysOut = expect.stringContaining('DATABASE_URL') as string

async function failureOf(dataDir: string): Promise<Said> {
  return startUser(dataDir).said('failed')
}

test('data of another major version are refused and left alone', async () => {
  const dataDir = await madeDataDir()
  const { release } = await open({ dataDir, lingerMs: 0 })
  await release()
  await until(() => !processesOf(dataDir).length)
  const version = join(dataDir, 'cluster/data/PG_VERSION')
  writeFileSync(version, '16\n')
  await expect(open({ dataDir })).rejects.toMatchObject({
    code: 'embedded_failed',
    message: `${join(dataDir, 'cluster/data')} was made by PostgreSQL 16, and this release of ForgeQ brings PostgreSQL 18`,
    hint: waysOut,
  })
  expect(readFileSync(version, 'utf8')).toBe('16\n')
})

testAsRoot('no space for the making: says so, leaves nothing, and works once there is space', async () => {
  const disk = newDisk(20)
  const dataDir = join(disk, '.forgeq')
  const failure = { code: 'embedded_failed', message: expect.stringMatching(/^no space left/) as string, hint: waysOut }
  await expect(open({ dataDir })).rejects.toMatchObject(failure)
  const { bavail, blocks } = statfsSync(disk)
  expect(bavail / blocks).toBeGreaterThan(0.9)
  execFileSync('mount', ['-o', 'remount,size=400m', disk])
  const { created } = await open({ dataDir })
  expect(created).toBe(true)
})

testAsRoot('no space at the start, a read-only disk: each said as what it is', async () => {
  const disk = newDisk(400)
  const dataDir = join(disk, '.forgeq')
  const { release } = await open({ dataDir, lingerMs: 0 })
  await release()
  await until(() => !processesOf(dataDir).length)
  const { bavail, bsize } = statfsSync(disk)
  writeFileSync(join(disk, 'full'), Buffer.alloc(bavail * bsize))
  expect(statfsSync(disk).bavail).toBe(0)
  expect(await failureOf(dataDir)).toMatchObject({
    code: 'embedded_failed',
    message: expect.stringMatching(/^no space left/) as string,
    hint: waysOut,
  })
  await until(() => !processesOf(dataDir).length)
  execFileSync('mount', ['-o', 'remount,ro', disk])
  for (const folder of [dataDir, join(disk, 'other', '.forgeq')])
    expect(await failureOf(folder)).toMatchObject({
      code: 'embedded_failed',
      message: expect.stringMatching(/is read-only/) as string,
      hint: waysOut,
    })
})

test('a folder with other things in it is not taken', async () => {
  const project = newProject()
  writeFileSync(join(project, 'thesis.txt'), 'mine')
  await expect(open({ dataDir: project })).rejects.toMatchObject({
    code: 'embedded_failed',
    message: expect.stringContaining('holds other files') as string,
    hint: waysOut,
  })
})

testAsRoot('the folder of another user is refused to an ordinary one', async () => {
  const dataDir = await madeDataDir()
  await open({ dataDir })
  const failure = await startUser(dataDir, { uid: 65_533, gid: 65_533 }).said('failed')
  expect(failure).toMatchObject({
    code: 'embedded_failed',
    message: expect.stringMatching(/may not use/) as string,
    hint: waysOut,
  })
})

test('a platform without a build names the way out', () => {
  expect(() => findBinaries('freebsd', 'x64')).toThrow(
    expect.objectContaining({
      code: 'embedded_failed',
      message: 'there is no embedded PostgreSQL for freebsd-x64',
      hint: waysOut,
    }),
  )
  expect(() => findBinaries('linux', 'ia32')).toThrow(
    expect.objectContaining({
      message: expect.stringContaining('is not installed') as string,
      hint: expect.stringContaining('npm install') as string,
    }),
  )
})

test('binaries that do not run are told apart: musl, a root that is none, anything else', () => {
  expect(cannotRun('spawnSync postgres ENOENT', true)).toMatchObject({
    message: expect.stringMatching(/musl/) as string,
    hint: waysOut,
  })
  expect(cannotRun('spawnSync postgres EPERM', false)).toMatchObject({
    message: expect.stringMatching(/root may not become/) as string,
    hint: waysOut,
  })
  expect(cannotRun('Illegal instruction', false)).toMatchObject({
    message: expect.stringMatching(/Illegal instruction/) as string,
    hint: waysOut,
  })
})

testAsRoot('a cluster that was copied while it ran starts in its new folder, beside the first', async () => {
  const [one, other] = [join(newProject(), '.forgeq'), join(newProject(), '.forgeq')]
  await open({ dataDir: one })
  cpSync(one, other, { recursive: true, filter: (path) => !path.includes('.s.PGSQL') })
  const { connection } = await open({ dataDir: other })
  expect(connection.host).toBe(join(other, 'socket'))
})
