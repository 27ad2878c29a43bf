import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'

/**
 * Names one life of one process: pid, start time, boot and pid namespace, fit for a file name. A pid alone is given to
 * another program sooner or later, at the latest after a reboot.
 */
export const identityOf = (pid: number): string => `${pid}-${startOf(pid) ?? 'gone'}-${boot()}-${namespace()}`

/**
 * Whether the process named by `identity` lives. One in another container cannot be looked at from here: it counts as
 * alive while it was `seenMsAgo` (the age of its file, which it touches) less than half a minute ago.
 */
export function isAlive(identity: string, seenMsAgo: number): boolean {
  const [pid, start, ofBoot, ofNamespace] = identity.split('-')
  if (!pid || !start || ofBoot !== boot()) return false
  if (ofNamespace !== namespace()) return seenMsAgo < 30_000
  return startOf(Number(pid)) === start
}

/** Whether any process has this pid; one of another user counts. */
export function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function startOf(pid: number): string | undefined {
  if (process.platform === 'linux') {
    const stat = read(`/proc/${pid}/stat`)
    if (!stat) return undefined
    // The name in parentheses may hold spaces and parentheses itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19]
  }
  if (!pidExists(pid)) return undefined
  if (process.platform === 'win32') return '0'
  try {
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
      env: { LC_ALL: 'C', TZ: 'UTC', PATH: '/bin:/usr/bin' },
    })
    return short(started.toString().trim())
  } catch {
    return undefined
  }
}

let bootName: string | undefined
const boot = () => (bootName ??= short(read('/proc/sys/kernel/random/boot_id') ?? 'boot'))

let namespaceName: string | undefined
const namespace = () => (namespaceName ??= short(link('/proc/self/ns/pid') ?? 'pid'))

const short = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 8)

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function link(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
