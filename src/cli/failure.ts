import type { ErrorCode } from '../errors.ts'
import { ForgeQError, isForgeQError } from '../errors.ts'
import { printable } from '../job/printable.ts'
import { safeJson } from '../safe-json.ts'
import type { TextStream } from './io.ts'

/** A command line that cannot be meant: printed like every error, exit 2. */
export class UsageError extends ForgeQError {
  constructor(message: string, hint?: string) {
    super('invalid_request', message, hint === undefined ? {} : { hint })
    this.name = 'UsageError'
  }
}

/** What was asked could be read and was refused for what it says: the caller's fault, exit 2. */
const USAGE: ReadonlySet<ErrorCode> = new Set([
  'invalid_json',
  'invalid_job',
  'invalid_request',
  'invalid_id',
  'invalid_config',
  'unsupported',
  'payload_too_large',
])

const NEXT: Partial<Record<ErrorCode, string>> = {
  invalid_id: 'forgeq jobs list shows ids',
  job_not_found: 'forgeq jobs list shows what there is',
  queue_not_found: 'forgeq queues list shows what there is',
  worker_not_found: 'forgeq workers list shows what there is',
  wrong_state: 'forgeq jobs show <id> says what state it is in and why',
  conflict: 'use another key or id, or send the same job again',
  schema_mismatch: 'forgeq migrate up',
  unavailable: 'look whether the database runs; forgeq config shows which one is used',
  timeout: 'forgeq jobs show <id> says how far it is',
  handler_invalid: 'mend the file that is named and start again',
  embedded_failed: 'set DATABASE_URL to a PostgreSQL of your own',
}

export const exitCodeOf = (error: unknown): 1 | 2 => (isForgeQError(error) && USAGE.has(error.code) ? 2 : 1)

/** Three lines on stderr: what failed, why, what to do next (below them the `stack` where it is wanted); with `json` the problem document in one line. */
export function printFailure(
  stderr: TextStream,
  command: string,
  error: unknown,
  { json, stack = false }: { json: boolean; stack?: boolean },
): void {
  const known = isForgeQError(error) ? error : unexpected(error)
  if (json) {
    stderr.write(`${safeJson(JSON.stringify(problemOf(known)))}\n`)
    return
  }
  const why =
    known.errors.length > 0
      ? known.errors.map(({ path, message }) => (path ? `${path}: ${message}` : message))
      : [known.message]
  const next = known.hint ?? NEXT[known.code] ?? `${command} --help`
  const lines = [`${command}: ${known instanceof UsageError ? 'cannot be run so' : `failed (${known.code})`}`]
  for (const line of why)
    lines.push(
      ...printable(line)
        .split('\n')
        .map((row) => `  ${row}`),
    )
  stderr.write(`${[...lines, `  next: ${printable(next)}`].join('\n')}\n`)
  if (stack && error instanceof Error && error.stack) stderr.write(`${printable(error.stack)}\n`)
}

function unexpected(error: unknown): ForgeQError {
  const message = error instanceof Error ? error.message : String(error)
  return new ForgeQError('internal', message, { hint: 'again with --log-level debug says more', cause: error })
}

function problemOf({ code, message, hint, errors, details }: ForgeQError): Record<string, unknown> {
  return {
    ...details, // whose names give way to those of the document: the driver's errors have a code, too
    type: `urn:forgeq:problem:${code}`,
    title: code.replaceAll('_', ' '),
    detail: message,
    code,
    ...(errors.length > 0 && { errors }),
    ...(hint !== undefined && { hint }),
  }
}
