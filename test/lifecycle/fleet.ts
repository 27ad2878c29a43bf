import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

/** A process with some library workers, which says when all of them have begun. */
const memberOf = (library: string) => `import { defineJob, ForgeQ } from ${JSON.stringify(library)}
const [databaseUrl, workers] = process.argv.slice(2)
const client = new ForgeQ({ databaseUrl })
const job = defineJob({ type: 'idle', run: () => {} })
await Promise.all(Array.from({ length: Number(workers) }, () => client.worker({ jobs: [job] }).start()))
console.log('all have begun')
setInterval(() => {}, 60_000)
`

/** Many workers in a few processes. */
export interface Fleet {
  /** Resolves when all have begun. */
  start(): Promise<void>
  /** Ends all of them at once, without a word. */
  kill(): Promise<void>
  close(): Promise<void>
}

export function createFleet(options: { main: string; databaseUrl: string; processes: number; workers: number }): Fleet {
  const { main, databaseUrl, processes, workers } = options
  const folder = mkdtempSync(join(tmpdir(), 'forgeq-lifecycle-fleet-'))
  const file = join(folder, 'member.mjs')
  writeFileSync(file, memberOf(new URL('../index.js', pathToFileURL(main)).href))
  let members: ChildProcess[] = []

  async function begun(member: ChildProcess): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      member.stdout!.once('data', () => resolve())
      member.once('exit', (code, signal) => reject(new Error(`a process of workers ended: ${code ?? signal}`)))
    })
  }

  const fleet: Fleet = {
    async start() {
      members = Array.from({ length: processes }, () =>
        spawn(process.execPath, [file, databaseUrl, String(workers / processes)], {
          stdio: ['ignore', 'pipe', 'inherit'],
        }),
      )
      await Promise.all(members.map(begun))
    },
    async kill() {
      const ended = members.map((member) => new Promise((resolve) => member.once('exit', resolve)))
      for (const member of members.splice(0)) member.kill('SIGKILL')
      await Promise.all(ended)
    },
    async close() {
      await fleet.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return fleet
}
