import { spawn } from 'node:child_process'
import { createWriteStream, existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { FORGEQ_LOG, ROOT } from './folders.js'

// The grace period of `forgeq dev` (25 s) and what it takes to stop the database.
const STOP_LIMIT_MS = 45_000
const LAST_LINES = 20

/**
 * Starts `forgeq dev` in the clone's root. What it prints goes into `out/forgeq.log`, so that hundreds of lines do not
 * bury the example's report, and from `show` on to the screen, too; `lastLines` tells why it failed. `exited` resolves
 * with what ended it, `ready` with its URL once it serves. `stop` lets running handlers finish, `hurry` no longer waits.
 */
export function startForgeqDev({ env = {}, readyLimitMs = 60_000 } = {}) {
  const main = join(ROOT, 'dist/cli/main.js')
  if (!existsSync(main)) throw new Error('ForgeQ is not built yet: run "npm run build", or "npm start", which does it')

  const child = spawn(process.execPath, [main, 'dev'], {
    cwd: ROOT,
    env: { FORGEQ_LOG_FORMAT: 'pretty', ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const log = createWriteStream(FORGEQ_LOG)
  let shown = false
  let last = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      log.write(text)
      last = (last + text).split('\n').slice(-LAST_LINES).join('\n')
      if (shown) process.stdout.write(text)
    })
  }
  // However this process ends, it leaves no server behind.
  process.once('exit', () => child.kill('SIGTERM'))
  const running = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null
  const exited = new Promise((done) => {
    child.once('error', (error) => done(error.message))
    // With all that it printed.
    child.once('close', (code, signal) => done(signal ?? `exit code ${code}`))
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

  return {
    exited,
    stop,
    hurry: () => child.kill('SIGTERM'),
    ready,
    show: () => (shown = true),
    lastLines: () => last.trimEnd().split('\n'),
  }
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
