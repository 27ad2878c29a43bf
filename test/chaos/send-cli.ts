import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { bodyOf, type Answer, type Sender } from './sending.ts'

const TIMEOUT_MS = 15_000

/** `forgeq enqueue --ndjson` of the product in `product`, a process for each call. */
export function cliSender(product: string, databaseUrl: string): Sender {
  const run = (args: string[], stdin: string) =>
    new Promise<{ code: number | null; out: string; err: string }>((resolve) => {
      const child = spawn(process.execPath, [join(product, 'dist', 'cli', 'main.js'), ...args], {
        env: { ...process.env, DATABASE_URL: databaseUrl },
        timeout: TIMEOUT_MS,
        killSignal: 'SIGKILL',
      })
      const said = { out: '', err: '' }
      child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()))
      child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()))
      child.stdin.on('error', () => {}).end(stdin)
      child.once('error', () => resolve({ code: null, ...said }))
      child.once('close', (code) => resolve({ code, ...said }))
    })
  return {
    via: 'cli',
    async enqueue(requests) {
      const { code, out, err } = await run(
        ['enqueue', '--ndjson', '--json'],
        requests.map((request) => `${bodyOf(request)}\n`).join(''),
      )
      try {
        if (code === 0) return { answer: 'acknowledged', jobs: linesOf(out) }
        return refusal(code, err)
      } catch {
        return { answer: 'unknown' }
      }
    },
    async act(act, job) {
      const { code, err } = await run(['jobs', act, job, '--json'], '')
      if (code === 0) return 'done'
      return refusal(code, err).answer === 'refused' ? 'refused' : 'unknown'
    },
  }
}

const linesOf = (out: string) =>
  out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: string; created: boolean })

/** Exit code 2 is a no for what was asked; a conflict ends with 1 as everything that may have been done. */
function refusal(code: number | null, err: string): Answer {
  const problem = /"code":"(\w+)"/.exec(err)?.[1]
  const isNo = code === 2 || problem === 'conflict' || problem === 'wrong_state'
  return { answer: isNo ? 'refused' : 'unknown', ...(problem === undefined ? {} : { code: problem }) }
}
