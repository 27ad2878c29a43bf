import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const TICKS_A_SECOND = process.platform === 'linux' ? Number(execFileSync('getconf', ['CLK_TCK'])) : undefined

/** CPU seconds of a process so far; undefined where there is no /proc. */
export function cpuSeconds(pid) {
  if (!TICKS_A_SECOND) return undefined
  const fields = statOf(pid)
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND
}

/** CPU seconds of some children of a process, and of all that have ended; undefined where there is no /proc. */
export function childrenCpuSeconds(parent, pids) {
  if (!TICKS_A_SECOND) return undefined
  const living = pids.map((pid) => {
    try {
      return cpuSeconds(pid)
    } catch {
      return 0 // it has just ended
    }
  })
  const fields = statOf(parent)
  return living.reduce((sum, seconds) => sum + seconds, (Number(fields[13]) + Number(fields[14])) / TICKS_A_SECOND)
}

export const parentOf = (pid) => Number(statOf(pid)[1])

/** What Linux tells of a process behind its name, which may hold spaces: from its state, the third field, on. */
const statOf = (pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')

/** Resident memory of a process in MB, now and at its highest; undefined where there is no /proc. */
export function memoryMb(pid) {
  if (process.platform !== 'linux') return undefined
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const megabytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]) / 1024
  return { now: megabytes('VmRSS'), peak: megabytes('VmHWM') }
}
