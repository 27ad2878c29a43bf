import { join } from 'node:path'
import { linesOf } from './processes.ts'

/** What a handler has noted before it did anything else. */
export interface Note {
  job: string
  type: string
  token: number
  attempt: number
  pid: number
}

/**
 * A handler that notes its run in `notes.jsonl` of the project, waits for `payload.ms`, then returns; as a module's
 * text. It heeds no signal, as most handlers.
 */
export const NOTING_HANDLER = `import { appendFileSync } from 'node:fs'
export default async ({ ms = 0 }, { id, type, token, attempt }) => {
  appendFileSync('notes.jsonl', JSON.stringify({ job: id, type, token, attempt, pid: process.pid }) + '\\n')
  await new Promise((resolve) => setTimeout(resolve, ms))
  return { pid: process.pid }
}
`

export const notesOf = (folder: string): Note[] => linesOf<Note>(join(folder, 'notes.jsonl'))
