import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pidExists } from './process-identity.ts'

/** What PostgreSQL writes into `postmaster.pid`; after a crash or a reboot it is of the past. */
export interface PostmasterFile {
  pid: number
  port: number
  socketFolder: string
  status: string
}

const pathOf = (data: string) => join(data, 'postmaster.pid')

export function readPostmasterFile(data: string): PostmasterFile | undefined {
  let lines: string[]
  try {
    lines = readFileSync(pathOf(data), 'utf8').split('\n')
  } catch {
    return undefined
  }
  const pid = Number(lines[0])
  if (!pid) return undefined // just being written
  return { pid, port: Number(lines[3] ?? 0), socketFolder: lines[4] ?? '', status: (lines[7] ?? '').trim() }
}

/**
 * Whether a process is PostgreSQL on that folder, and not another program that was given its pid later: PostgreSQL works
 * in its data folder. Where that cannot be looked at, any process of that pid counts.
 */
export function isPostmaster(pid: number, data: string): boolean {
  if (process.platform !== 'linux') return pidExists(pid)
  try {
    const [works, holds] = [statSync(`/proc/${pid}/cwd`), statSync(data)]
    return works.ino === holds.ino && works.dev === holds.dev
  } catch {
    return false
  }
}

/**
 * PostgreSQL does not start while any program has the pid in a leftover `postmaster.pid`. The file stays, since its last
 * lines lead to the shared memory that PostgreSQL checks for survivors; its pid becomes one that no process can have.
 */
export function disownPostmasterFile(data: string): void {
  if (!existsSync(pathOf(data))) return
  const [, ...rest] = readFileSync(pathOf(data), 'utf8').split('\n')
  writeFileSync(pathOf(data), [String(2 ** 30), ...rest].join('\n'))
}
