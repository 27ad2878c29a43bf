import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ROOT } from './folders.js'

// The grace period of `forgeq dev` (25 s) and what it takes to stop the database.
const STOP_LIMIT_MS = 45_000

/**
 * Starts `forgeq dev` in the clone's root; what it prints goes where ours goes. `exited` resolves with what ended it,
 * `ready` with its URL once it serves. `stop` lets running handlers finish, `hurry` no longer waits for them.
 */
export function startForgeqDev({ env = {}, readyLimitMs = 60_000 } = {}) {
  const main = join(ROOT, 'dist/cli/main.js')
  if (!existsSync(main)) throw new Error('ForgeQ is not built yet: run "npm run build", or "npm start", which does it')

  const child = spawn(process.execPath, [main, 'dev'], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  // However this process ends, it leaves no server behind.
  process.once('exit', () => child.kill('SIGTERM'))
  const running = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null
  const exited = new Promise((done) => {
    child.once('error', (error) => done(error.message))
    child.once('exit', (code, signal) => done(signal ?? `exit code ${code}`))
  })

  async function stop() {
    if (!running()) return
    child.kill('SIGTERM')
    const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS)
    await exited
    clearTimeout(limit)
  }

  async function ready() {
    const end = Date.now() + readyLimitMs
    for (; running() && Date.now() < end; await pause(50)) {
      const url = await urlOf(child.pid)
      if (url && (await answers(`${url}/readyz`))) return url
    }
    if (running()) throw new Error(`forgeq dev was not ready within ${readyLimitMs / 1000} s`)
    throw new Error(`forgeq dev ended before it was ready: ${await exited}`)
  }

  return { exited, stop, hurry: () => child.kill('SIGTERM'), ready }
}

/** `forgeq dev` notes its address in its data folder; a note of another process is old, or another's. */
async function urlOf(pid) {
  try {
    const note = join(resolve(ROOT, process.env.FORGEQ_DATA_DIR || '.forgeq'), 'server.json')
    const server = JSON.parse(await readFile(note, 'utf8'))
    return server.pid === pid ? server.url : undefined
  } catch {
    return undefined
  }
}

const answers = (url) =>
  fetch(url, { signal: AbortSignal.timeout(5_000) }).then(
    async (response) => {
      await response.arrayBuffer()
      return response.ok
    },
    () => false,
  )
