import { type ChildProcess, spawn } from 'node:child_process'
import { nonRetryable, snooze } from '../job/handler-signals.ts'
import { checkJson } from '../job/json.ts'
import { MAX_MESSAGE_BYTES } from '../job/job-error.ts'
import { cleanText, utf8Bytes } from '../job/text.ts'
import { truncationMarker } from '../job/value-json.ts'
import { type Handler, JsonResult, type RunningJob } from './handler.ts'
import { endOnExit, killGroup } from './process-group.ts'

/** Exit codes with a meaning of their own, from sysexits.h: EX_DATAERR and EX_TEMPFAIL. */
const EXIT_DEAD = 65
const EXIT_AGAIN = 75
const KILL_AFTER_MS = 5_000
/** A worker that shuts down waits 2 s for what it aborted: the program has to be gone by then for its job to be released. */
const KILL_AFTER_SHUTDOWN_MS = 1_500
/** Output that is still on its way when the program has ended. */
const AFTER_EXIT_MS = 500
const MAX_STDOUT_BYTES = 4_194_304
const MAX_STDERR = 16_384
const MAX_LINE = 4_000

/**
 * Serves a type by an executable file: payload on stdin, result as JSON on stdout, lines on stderr are the job's log.
 * It runs in a process group of its own, which is told to end by SIGTERM when the run is aborted, and killed 5 s later.
 */
export const executableHandler = (type: string, file: string): Handler => ({
  type,
  source: file,
  apart: 'program',
  run: (_payload, job, { payloadJson, backoff }) => runExecutable(file, job, payloadJson, backoff.baseMs),
})

async function runExecutable(file: string, job: RunningJob, payloadJson: string, againMs: number): Promise<unknown> {
  const child = spawn(file, [], {
    detached: true, // a process group of its own, so that its children can be ended with it
    stdio: ['pipe', 'pipe', 'pipe'],
    env: {
      ...process.env,
      FORGEQ_JOB_ID: job.id,
      FORGEQ_JOB_TYPE: job.type,
      FORGEQ_ATTEMPT: String(job.attempt),
      FORGEQ_TOKEN: String(job.token),
      ...(job.traceparent === undefined ? {} : { TRACEPARENT: job.traceparent }),
    },
  })
  const stopEnding = endOnAbort(child, job.signal)
  const stopOutliving = endOnExit(child)
  try {
    const [code, signal, stdout, stderr] = await collect(child, payloadJson, job)
    return resultOf({ code, signal, stdout, stderr, job, againMs })
  } finally {
    stopEnding()
    stopOutliving()
  }
}

function endOnAbort(child: ChildProcess, signal: AbortSignal): () => void {
  let killer: NodeJS.Timeout | undefined
  const end = () => {
    killGroup(child, 'SIGTERM')
    const shutdown = (signal.reason as { reason?: unknown } | undefined)?.reason === 'shutdown'
    killer = setTimeout(() => killGroup(child, 'SIGKILL'), shutdown ? KILL_AFTER_SHUTDOWN_MS : KILL_AFTER_MS)
  }
  if (signal.aborted) end()
  else signal.addEventListener('abort', end, { once: true })
  return () => {
    clearTimeout(killer)
    signal.removeEventListener('abort', end)
    if (signal.aborted) killGroup(child, 'SIGKILL') // what the program left behind in its group
  }
}

function collect(
  child: ChildProcess,
  payloadJson: string,
  job: RunningJob,
): Promise<[number | null, NodeJS.Signals | null, Stdout, string]> {
  return new Promise((resolve, reject) => {
    const stdout: Buffer[] = []
    let stdoutBytes = 0
    let stderr = ''
    let line = ''
    const log = job.log
    child.on('error', reject)
    child.stdin!.on('error', () => {}) // a program need not read its payload
    child.stdin!.end(payloadJson)
    child.stdout!.on('data', (chunk: Buffer) => {
      stdoutBytes += chunk.length
      if (stdoutBytes <= MAX_STDOUT_BYTES) stdout.push(chunk)
    })
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      stderr = withoutHalves((stderr + text).slice(-MAX_STDERR))
      const lines = (line + text).split('\n')
      line = withoutHalves(lines.pop()!.slice(-MAX_LINE))
      for (const whole of lines) if (whole) log.info({ stream: 'stderr' }, withoutHalves(whole.slice(0, MAX_LINE)))
    })
    let closing: NodeJS.Timeout | undefined
    child.on('exit', () => {
      // What it left behind may hold its output open for ever: the program itself has ended.
      closing = setTimeout(() => {
        killGroup(child, 'SIGKILL')
        // Where something has blocked the loop, what was printed in time is read only in this turn of it.
        setImmediate(() => {
          child.stdout!.destroy()
          child.stderr!.destroy()
        })
      }, AFTER_EXIT_MS)
    })
    child.on('close', (code, signal) => {
      clearTimeout(closing)
      if (line) log.info({ stream: 'stderr' }, line)
      resolve([code, signal, stdoutBytes > MAX_STDOUT_BYTES ? stdoutBytes : Buffer.concat(stdout), stderr])
    })
  })
}

/** A cut may have gone through a pair of surrogates. */
const withoutHalves = (text: string): string => text.replace(/^[\udc00-\udfff]|[\ud800-\udbff]$/g, '')

/** What was printed, or how many bytes of it there were when they are too many to be kept. */
type Stdout = Buffer | number

interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: Stdout
  stderr: string
  job: RunningJob
  /** Pause before a run that asked to be tried again: the base of the job's backoff. */
  againMs: number
}

function resultOf({ code, signal, stdout, stderr, job, againMs }: Ended): unknown {
  if (job.signal.aborted && code !== 0) throw job.signal.reason
  if (code === 0) return parseResult(stdout)
  if (code === EXIT_AGAIN) throw snooze(`${againMs}ms`)
  const how = code === null ? `was ended by ${signal}` : `ended with exit code ${code}`
  const said = cleanText(stderr.trim())
  const kept = endOf(said, MAX_MESSAGE_BYTES - how.length - MORE_THAN_HOW)
  const message = kept ? `${kept}\n(the program ${how})` : `the program ${how}`
  const truncated = kept.length < said.length
  if (code === EXIT_DEAD) throw Object.assign(nonRetryable(message), { truncated })
  throw Object.assign(new Error(message), {
    truncated,
    name: 'ProgramFailed',
    code: code === null ? String(signal) : `exit_${code}`,
    stack: undefined,
  })
}

/** What is around `how` in a message. */
const MORE_THAN_HOW = 20

/** The longest end of the text that takes at most `maxBytes` in UTF-8: the last words say most. */
function endOf(text: string, maxBytes: number): string {
  if (utf8Bytes(text) <= maxBytes) return text
  const bytes = Buffer.from(text, 'utf8').subarray(-maxBytes)
  const start = bytes.findIndex((byte) => (byte & 0xc0) !== 0x80)
  return bytes.subarray(start).toString('utf8')
}

/** Nothing on stdout is no result; anything else must be JSON. What is far too long is replaced like any large result. */
function parseResult(stdout: Stdout): unknown {
  if (typeof stdout === 'number') return new JsonResult(truncationMarker(stdout))
  const text = stdout.toString('utf8').trim()
  if (text === '') return null
  const checked = checkJson(text, { maxBytes: Infinity })
  if (checked.ok) return new JsonResult(text)
  const at = checked.path === '' ? '' : ` at ${checked.path}`
  throw new Error(`the program's output is not a result${at}: ${checked.message}`)
}
