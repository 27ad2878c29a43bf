import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What a handler has noted. */
export interface Note {
  kind: 'start' | 'end' | 'aborted'
  job: string
  token: number
  attempt: number
  pid: number
  at: number
}

const MODULE = `import { appendFileSync } from 'node:fs'
const note = (kind, { id, token, attempt }) =>
  appendFileSync('notes.jsonl', JSON.stringify({ kind, job: id, token, attempt, pid: process.pid, at: Date.now() }) + '\\n')
export default async ({ ms = 0, heeds = false }, job) => {
  note('start', job)
  await new Promise((resolve, reject) => {
    setTimeout(resolve, ms)
    if (!heeds) return
    const abort = () => {
      note('aborted', job)
      reject(job.signal.reason)
    }
    if (job.signal.aborted) abort()
    else job.signal.addEventListener('abort', abort, { once: true })
  })
  note('end', job)
}
`

const program = (deaf: boolean) => `#!/bin/sh
${deaf ? `trap '' TERM\n` : ''}printf '{"kind":"start","job":"%s","token":%s,"attempt":%s,"pid":%s,"at":%s}\\n' \\
  "$FORGEQ_JOB_ID" "$FORGEQ_TOKEN" "$FORGEQ_ATTEMPT" "$$" "$(date +%s%3N)" >> notes.jsonl
sleep 30
`

/** Each process that is asked to leaves its exit code here, under its number: for those that are nobody's children. */
const EXIT_HOOK = `import { writeFileSync } from 'node:fs'
process.on('exit', (code) => writeFileSync(process.env.LIFECYCLE_EXITS + '/' + process.pid, String(code)))
`

/** The types of a project's jobs. */
export const TYPES = ['job', 'program', 'deaf_program'] as const

/** A new project with handlers of every type. */
export function makeProject(): string {
  const folder = mkdtempSync(join(tmpdir(), 'forgeq-lifecycle-project-'))
  chmodSync(folder, 0o755)
  for (const name of ['handlers', 'exits']) mkdirSync(join(folder, name))
  writeFileSync(join(folder, 'handlers', 'job.mjs'), MODULE)
  writeFileSync(join(folder, 'handlers', 'program.sh'), program(false), { mode: 0o755 })
  writeFileSync(join(folder, 'handlers', 'deaf_program.sh'), program(true), { mode: 0o755 })
  writeFileSync(join(folder, 'exit-hook.mjs'), EXIT_HOOK)
  return folder
}

/** What the handlers of a project have noted so far; a line half written is none. */
export function notesOf(folder: string): Note[] {
  let text: string
  try {
    text = readFileSync(join(folder, 'notes.jsonl'), 'utf8')
  } catch {
    return []
  }
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Note)
}
