import { openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'

const BYTES = 4
const FLUSH_MS = 20

/** Notes the number of each job that a handler ran, in a file of this process's own; soon, not at once. */
export function openLedger(folder: string): (n: number) => void {
  const file = openSync(join(folder, String(process.pid)), 'a')
  let numbers: number[] = []
  let timer: NodeJS.Timeout | undefined
  const flush = () => {
    timer = undefined
    const bytes = Buffer.allocUnsafe(numbers.length * BYTES)
    for (const [i, n] of numbers.entries()) bytes.writeUInt32LE(n, i * BYTES)
    writeSync(file, bytes)
    numbers = []
  }
  process.once('exit', flush)
  return (n) => {
    numbers.push(n)
    timer ??= setTimeout(flush, FLUSH_MS)
  }
}

/** How many runs all processes together have noted. */
export const runsIn = (folder: string): number =>
  readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size / BYTES, 0)

/** Which of the jobs 0 to `count` − 1 never ran, and which ran more than once: how many, and the first of them. */
export function tally(folder: string, count: number): { lost: number; twice: number; examples: number[] } {
  const runs = new Uint8Array(count)
  for (const name of readdirSync(folder)) {
    const bytes = readFileSync(join(folder, name))
    for (let at = 0; at < bytes.length; at += BYTES) {
      const n = bytes.readUInt32LE(at)
      runs[n] = Math.min(255, runs[n]! + 1)
    }
  }
  let [lost, twice] = [0, 0]
  const examples: number[] = []
  for (const [n, times] of runs.entries()) {
    if (times === 1) continue
    if (times === 0) lost++
    else twice++
    if (examples.length < 5) examples.push(n)
  }
  return { lost, twice, examples }
}
