import type { ChildProcess } from 'node:child_process'

const living = new Set<ChildProcess>()
const killLiving = () => living.forEach((child) => killGroup(child, 'SIGKILL'))

/** A process in a group of its own would outlive a worker that ends without having waited for it. Returns what undoes it. */
export function endOnExit(child: ChildProcess): () => void {
  if (living.size === 0) process.on('exit', killLiving)
  living.add(child)
  return () => {
    living.delete(child)
    if (living.size === 0) process.off('exit', killLiving)
  }
}

/** Signals a child that was started `detached`, and whatever it has started. */
export function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // gone already
  }
}
