import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const TICKS_A_SECOND = process.platform === 'linux' ? Number(execFileSync('getconf', ['CLK_TCK'])) : undefined

/** CPU seconds of a process so far; undefined where there is no /proc. */
export function cpuSeconds(pid) {
  if (!TICKS_A_SECOND) return undefined
  // The name in parentheses may hold spaces; user and system time are the 12th and 13th field behind it.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND
}

/** Resident memory of a process in MB, now and at its highest; undefined where there is no /proc. */
export function memoryMb(pid) {
  if (process.platform !== 'linux') return undefined
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const megabytes = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)[1]) / 1024
  return { now: megabytes('VmRSS'), peak: megabytes('VmHWM') }
}
