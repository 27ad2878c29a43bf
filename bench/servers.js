import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const STOPPED_WITHIN_MS = 10_000

/**
 * Starts the HTTP server of a system, in an empty folder, so that no configuration file is found, with `command` before
 * it. It must print one line of JSON with its `url`.
 */
export async function startServer(system, store, command = []) {
  const { serverArguments } = await import(new URL(`./systems/${system.file}`, import.meta.url).href)
  const folder = await mkdtemp(join(tmpdir(), 'forgeq-bench-server-'))
  const [program, ...args] = [...command, system.node ?? process.execPath, ...serverArguments(store.address)]
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    ended.then(([code]) => Promise.reject(new Error(`the server of ${system.name} ended with exit code ${code}`))),
  ])

  return {
    pid: child.pid,
    url: JSON.parse(line).url,
    async stop() {
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), STOPPED_WITHIN_MS)
      await ended
      clearTimeout(late)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
