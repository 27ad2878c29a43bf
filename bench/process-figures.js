import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

const TICKS_A_SECOND = process.platform === 'linux' ? Number(execFileSync('getconf', ['CLK_TCK'])) : undefined

/** CPU seconds of a process so far; undefined where there is no /proc. */
export function cpuSeconds(pid) {
  if (!TICKS_A_SECOND) return undefined
  return statOf(pid).own
}

/** CPU seconds of some children of a process, and of all that have ended; undefined where there is no /proc. */
export function childrenCpuSeconds(parent, pids) {
  if (!TICKS_A_SECOND || parent === undefined) return undefined
  return pids.reduce((sum, pid) => sum + (statIfThere(pid)?.own ?? 0), statOf(parent).ofEnded)
}

/** The same of a process, its children and those that have ended. */
export function cpuSecondsOfAll(pid) {
  if (!TICKS_A_SECOND || pid === undefined) return undefined
  const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  const children = processes.map(statIfThere).filter((stat) => stat?.parent === pid)
  const { own, ofEnded } = statOf(pid)
  return children.reduce((sum, child) => sum + child.own, own + ofEnded)
}

export const parentOf = (pid) => (TICKS_A_SECOND ? statOf(pid).parent : undefined)

function statOf(pid) {
  // The name in parentheses may hold spaces. User and system time are the 12th and 13th field behind it, those of the
  // children that have ended the next two.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')
  const seconds = (first) => (Number(fields[first]) + Number(fields[first + 1])) / TICKS_A_SECOND
  return { parent: Number(fields[1]), own: seconds(11), ofEnded: seconds(13) }
}

function statIfThere(pid) {
  try {
    return statOf(pid)
  } catch {
    return undefined // It has ended meanwhile.
  }
}

/** Resident memory of a process in MB, now and at its highest; undefined where there is no /proc. */
export function memoryMb(pid) {
  if (process.platform !== 'linux') return undefined
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const megabytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]) / 1024
  return { now: megabytes('VmRSS'), peak: megabytes('VmHWM') }
}
