import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect } from 'vitest'
import { alsoClean, testAsRoot } from '../embedded/harness.ts'
import { answer, answerJson, leaveNothing, project, server } from './processes.ts'

afterEach(leaveNothing)

const MOVED = '/var/lib/forgeq'

/** A folder whose path is exactly 150 bytes long, with a space and a letter of two bytes. */
function deepFolder(): string {
  const base = project()
  const start = join(base, 'my projects für später')
  const path = `${start}/${'d'.repeat(150 - Buffer.byteLength(start) - 1)}`
  expect(Buffer.byteLength(path)).toBe(150)
  mkdirSync(path, { recursive: true })
  return path
}

function closedFolder(): string {
  const folder = project()
  chmodSync(folder, 0o700)
  return folder
}

for (const [name, makeFolder] of [
  ['a folder of mode 0700 that belongs to root', closedFolder],
  ['a path of 150 bytes with a space and an ü', deepFolder],
] as const) {
  testAsRoot(
    `${name}: server and enqueue share one database as root, and the job is there after a restart`,
    async () => {
      const folder = makeFolder()
      const readyFrom = performance.now()
      const first = await server(folder)
      expect(performance.now() - readyFrom).toBeLessThan(30_000)
      rememberMoved(folder)
      const [id] = (await answer(folder, ['enqueue', '--type', 'hello'])).split('\t')
      expect(await (await fetch(`${first.url}/jobs/${id}`)).json()).toMatchObject({
        id,
        type: 'hello',
        state: 'pending',
      })
      expect((statSync(join(folder, '.forgeq')).mode & 0o777).toString(8)).toBe('700')

      first.kill('SIGTERM')
      expect(await first.ended, first.text()).toBe(0)
      const second = await server(folder)
      expect(await answerJson(folder, ['jobs', 'show', id!])).toMatchObject({ id, state: 'pending' })
      expect(`${first.text()}${second.text()}`).not.toMatch(/install|useradd|adduser|create a user/i)
    },
  )
}

/** Where root's closed folder is served from a folder of the system, that goes, too. */
function rememberMoved(folder: string): void {
  const pointer = join(folder, '.forgeq', 'moved-to')
  if (existsSync(pointer)) alsoClean(readFileSync(pointer, 'utf8').trim())
  if (existsSync(MOVED) && readdirSync(MOVED).length === 0) rmSync(MOVED, { recursive: true })
}
