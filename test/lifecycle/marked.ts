import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export interface MarkedProcess {
  pid: number
  command: string
}

/** Every living process that has the mark in its environment or works in the folder, whoever its parent is. */
export function marked(mark: string, folder: string): MarkedProcess[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      // A process that has ended and was not waited for has neither.
      if (
        look(() => readFileSync(`/proc/${pid}/environ`, 'utf8'))
          .split('\0')
          .includes(`LIFECYCLE_MARK=${mark}`)
      )
        return true
      return look(() => readlinkSync(`/proc/${pid}/cwd`)).startsWith(folder)
    })
    .map((pid) => ({
      pid: Number(pid),
      command: look(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
        .replaceAll('\0', ' ')
        .trim(),
    }))
}

/** False also for one that has ended and was not waited for. */
export function lives(pid: number): boolean {
  const stat = look(() => readFileSync(`/proc/${pid}/stat`, 'utf8'))
  return stat !== '' && stat.slice(stat.lastIndexOf(')') + 2)[0] !== 'Z'
}

function look(at: () => string): string {
  try {
    return at()
  } catch {
    return '' // it has ended meanwhile
  }
}
