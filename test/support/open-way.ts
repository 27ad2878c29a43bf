import { chmodSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'

/**
 * Lets ordinary users pass through the folders above a clone that root has made in a private one, until the returned
 * function is called: `nobody` and others, whom tests run processes as, could not even reach the packages there.
 */
export function openWay(): () => void {
  if (process.getuid?.() !== 0) return () => {}
  const closed: { path: string; mode: number }[] = []
  for (let path = resolve(import.meta.dirname, '../..'); path !== dirname(path); path = dirname(path)) {
    const { mode } = statSync(path)
    if ((mode & 0o001) === 0) closed.push({ path, mode })
  }
  for (const { path, mode } of closed) chmodSync(path, mode | 0o001)
  return () => {
    for (const { path, mode } of closed) chmodSync(path, mode)
  }
}
