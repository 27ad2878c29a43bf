import { readdirSync, readFileSync } from 'node:fs'

const TICKS_A_SECOND = 100

interface Stat {
  parent: number
  /** Of the process itself, in ticks. */
  own: number
  /** Of its children that have ended. */
  ended: number
}

function statOf(pid: string | number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is a name, which may hold anything.
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    return { parent: fields[1]!, own: fields[11]! + fields[12]!, ended: fields[13]! + fields[14]! }
  } catch {
    return undefined // it has just ended, or there is no /proc
  }
}

/** The process that made this one. */
export const parentOf = (pid: number): number | undefined => statOf(pid)?.parent

/** Milliseconds of CPU that these processes and their children have used so far; 0 where nothing tells. */
export function cpuMsOf(pids: readonly number[]): number {
  let ticks = 0
  for (const pid of pids) {
    const stat = statOf(pid)
    if (stat) ticks += stat.own + stat.ended
  }
  let names: string[] = []
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return 0
  }
  for (const name of names) {
    const stat = statOf(name)
    if (stat && pids.includes(stat.parent) && !pids.includes(Number(name))) ticks += stat.own
  }
  return (ticks * 1_000) / TICKS_A_SECOND
}
