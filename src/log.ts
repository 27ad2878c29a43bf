import pino, { type LogFn, type Logger } from 'pino'
import { prettyLine } from './log-pretty.ts'
import { isForgeQError } from './errors.ts'
import { toJobError } from './job/job-error.ts'
import { readSafely, textSafely } from './job/read-safely.ts'
import { safeJson } from './safe-json.ts'

export type { Logger }

/** Where log lines go: `process.stderr`, or whatever a test passes. */
export interface LogStream {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
}

export interface LogOptions {
  level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
  /** `auto`: pretty on a terminal, JSON lines elsewhere. */
  format: 'auto' | 'json' | 'pretty'
  stream: LogStream
  /** Colours in pretty lines. */
  color?: boolean
  /** Texts that must never appear, such as the password of the database; replaced wherever they stand. */
  secrets?: readonly string[]
}

const REDACTED = [
  'password',
  'databaseUrl',
  'database_url',
  'connectionString',
  'authorization',
  'secret',
  'token_secret',
]

/**
 * The logger of a process: one JSON object a line, `job_id`, `job_type`, `queue`, `worker` and `attempt` on every line
 * about a job. Whatever text a job contains stays on its line and inside its string; passwords are masked.
 */
export function createLog({ level, format, stream, color = false, secrets = [] }: LogOptions): Logger {
  const pretty = format === 'pretty' || (format === 'auto' && stream.isTTY === true)
  const mask = maskOf(secrets)
  const detailed = level === 'debug' || level === 'trace'
  const errorView = (error: unknown): unknown => {
    const view = viewOf(error)
    // What is thrown on purpose says it all in its message; where it came from is for whoever asks for details.
    return detailed || !isForgeQError(error) ? view : { ...view, message: error.message, stack: undefined }
  }
  const write = (line: string): void => {
    const safe = mask(safeJson(line))
    stream.write(pretty ? prettyLine(safe, { color }) : safe)
  }
  return pino(
    {
      level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED.flatMap((name) => [name, `*.${name}`]), censor: '***' },
      serializers: { err: errorView, error: errorView },
      hooks: { logMethod: writeAnyhow },
    },
    { write },
  )
}

/** A frozen error, one that lies in itself or has a getter that throws is more than pino's own view of it takes. */
function viewOf(error: unknown): object {
  try {
    return pino.stdSerializers.err(error as Error)
  } catch {
    const { name: type, fingerprint: _, ...view } = toJobError(error)
    return { type, ...view }
  }
}

/** Whoever logs a value that cannot be read still has its line, and goes on: a job never fails by what it logs. */
function writeAnyhow(this: Logger, given: Parameters<LogFn>, write: LogFn): void {
  const args = given as unknown[]
  try {
    write.apply(this, (hasText(args[0]) ? args : [textSafely(args[0])]) as Parameters<LogFn>)
  } catch (error) {
    const message = args.find((arg) => typeof arg === 'string')
    write.call(this, { unreadable: toJobError(error).message }, message ?? 'a line that cannot be read')
  }
}

/** False for what pino would make a line of that is no JSON. */
const hasText = (first: unknown): boolean =>
  typeof first === 'object' && first instanceof Error
    ? typeof readSafely(first, 'message') !== 'symbol'
    : typeof first !== 'symbol'

function maskOf(secrets: readonly string[]): (line: string) => string {
  // As they stand in a JSON line. A very short one would black out half of every line.
  const hidden = secrets.filter((secret) => secret.length >= 4).map((secret) => JSON.stringify(secret).slice(1, -1))
  return (line) => {
    const masked = hidden.reduce((text, secret) => text.replaceAll(secret, '***'), line)
    return masked.replace(/(postgres(?:ql)?:\/\/[^:@/\s"]*:)[^@\s"]*@/g, '$1***@')
  }
}
