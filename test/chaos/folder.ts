import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Where everything of a run lies; `history` and `logs` may be elsewhere, to be kept. */
export interface Folder {
  path: string
  history: string
  logs: string
  /** Of PostgreSQL. */
  data: string
  /** A disk of its own, of limited size. */
  ownDisk: boolean
  /** Ends every process that works in here, and takes it all away. */
  remove(): Promise<void>
}

/** What the cluster and the jobs of so many minutes take, twice. */
const diskOf = (minutes: number): string => `${Math.ceil(160 + 30 * minutes)}m`

const PREFIX = 'forgeq-chaos-'
const OWNER = 'owner'

/** Takes away what harnesses have left that were killed: of a folder whose owner lives, nothing. */
export async function removeLeftovers(): Promise<void> {
  if (process.platform !== 'linux') return
  for (const name of readdirSync(tmpdir()).filter((name) => name.startsWith(PREFIX))) {
    const path = join(tmpdir(), name)
    const owner = existsSync(join(path, OWNER)) ? Number(readFileSync(join(path, OWNER), 'utf8')) : undefined
    if (owner && !existsSync(join('/proc', String(owner)))) await removeFolder(path)
  }
}

async function removeFolder(path: string): Promise<void> {
  for (let round = 0; round < 50; round++) {
    const left = processesIn(path)
    if (left.length === 0) break
    for (const pid of left) endNow(pid)
    await sleep(100)
  }
  const data = join(path, 'data')
  const mounts = existsSync('/proc/mounts') ? readFileSync('/proc/mounts', 'utf8') : ''
  if (mounts.includes(` ${data} `)) execFileSync('umount', ['--lazy', data])
  rmSync(path, { recursive: true, force: true, maxRetries: 5 })
}

export function makeFolder({ keep, minutes }: { keep: string; minutes: number }): Folder {
  const path = mkdtempSync(join(tmpdir(), PREFIX))
  chmodSync(path, 0o755)
  writeFileSync(join(path, OWNER), String(process.pid))
  const data = join(path, 'data')
  const history = join(keep, 'history')
  const logs = join(keep, 'logs')
  for (const folder of [data, history, logs]) mkdirSync(folder, { recursive: true })
  const ownDisk = mount(data, diskOf(minutes))
  chmodSync(data, 0o755)
  return {
    path,
    history,
    logs,
    data,
    ownDisk,
    remove: () => removeFolder(path),
  }
}

/** A disk in memory that can be filled without harm to anybody else; only root can make one. */
function mount(folder: string, size: string): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=755`, 'forgeq-chaos', folder], { stdio: 'pipe' })
    return true
  } catch {
    return false // a container without the right to mount
  }
}

/** Also those whose parents have gone: whoever names the folder or works in it. */
function processesIn(path: string): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(path) ||
          readlinkSync(`/proc/${pid}/cwd`).startsWith(path)
        )
      } catch {
        return false // it has ended meanwhile
      }
    })
    .map(Number)
}

function endNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has just ended
  }
}
