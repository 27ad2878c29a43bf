import type { NewJob } from '../job/job.ts'
import { ForgeQError, isForgeQError, type Problem } from '../errors.ts'
import type { Invocation } from './command.ts'
import { UsageError } from './failure.ts'
import { readLines } from './ndjson.ts'
import { createProgress } from './progress.ts'
import { withApp } from './session.ts'
import { readSettings } from './settings.ts'

const CALL = 1_000
const MAX_PROBLEMS = 20

/**
 * Puts the jobs of standard input on their queues, in its order. Every line is read and checked before the first job
 * is stored; up to 1,000 go in one call, all or nothing.
 */
export async function enqueueLines(invocation: Invocation, defaults: Record<string, unknown>): Promise<number> {
  const { io, out, command } = invocation
  for (const field of ['id', 'idempotency_key']) {
    if (defaults[field] !== undefined)
      throw new UsageError(`--${field.replace('_', '-')} names one job; with --ndjson it stands in the line`)
  }
  if (io.stdin.isTTY) io.stderr.write('reading jobs from the terminal, one JSON object a line; Ctrl-D ends it\n')
  const { config } = await readSettings(io, command)
  const jobs = await readJobs(invocation, defaults, config)
  if (jobs.length === 0) throw new UsageError('standard input holds no job; one JSON object a line is expected')
  return withApp(invocation, async ({ queue }) => {
    const progress = await createProgress(io.stderr, jobs.length)
    const answers: string[] = []
    let created = 0
    try {
      for (let from = 0; from < jobs.length; from += CALL) {
        const enqueued = await stored(from, () => queue.enqueueMany(jobs.slice(from, from + CALL)))
        for (const each of enqueued) {
          const { id, state } = each.removed ?? each.job
          created += each.created ? 1 : 0
          answers.push(out.json ? JSON.stringify({ id, created: each.created }) : `${id}\t${state}`)
        }
        progress.update(Math.min(from + CALL, jobs.length))
      }
    } finally {
      progress.stop()
    }
    if (out.json) out.printJsonList(answers)
    else if (out.terminal)
      out.print(`${created} enqueued${created < jobs.length ? `, ${jobs.length - created} were here before` : ''}`)
    else for (const answer of answers) out.print(answer)
    return 0
  })
}

async function readJobs(
  { io }: Invocation,
  defaults: Record<string, unknown>,
  limits: { maxPayloadBytes: number },
): Promise<NewJob[]> {
  const { parseEnqueue } = await import('../wire/enqueue-body.ts')
  const jobs: NewJob[] = []
  const problems: Problem[] = []
  let code: 'invalid_json' | 'invalid_job' | 'payload_too_large' | 'unsupported' = 'invalid_job'
  // A line holds the payload, perhaps with every character escaped, and the other fields.
  for await (const { number, text } of readLines(io.stdin, limits.maxPayloadBytes * 6 + 65_536)) {
    const parsed = parseEnqueue(withDefaults(text, defaults), limits)
    if (parsed.job) jobs.push(parsed.job)
    else {
      if (problems.length === 0) code = parsed.code
      problems.push(
        ...parsed.problems.map(({ path, message }) => ({ path: `line ${number}${path && `, ${path}`}`, message })),
      )
    }
    if (problems.length >= MAX_PROBLEMS) break
  }
  if (problems.length === 0) return jobs
  throw new ForgeQError(code, problems.map(({ path, message }) => `${path}: ${message}`).join('; '), {
    errors: problems,
    hint: 'nothing was enqueued; mend these lines and send the file again',
  })
}

/** The line with the flags' values where it has none of its own; its text stays, so that no number loses a digit. */
function withDefaults(line: string, defaults: Record<string, unknown>): string {
  if (Object.keys(defaults).length === 0) return line
  const own = parseObject(line)
  if (!own) return line
  const missing = Object.entries(defaults).filter(([field]) => !Object.hasOwn(own, field))
  const added = missing.map(([field, value]) => `${JSON.stringify(field)}:${JSON.stringify(value)}`)
  const inside = line.slice(line.indexOf('{') + 1)
  return `{${[...added, ...(Object.keys(own).length === 0 ? [] : [''])].join(',')}${inside}`
}

function parseObject(line: string): object | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** One call; an error says how many of the calls before it are stored, so that nobody sends those again. */
async function stored<T>(before: number, call: () => Promise<T>): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (before === 0 || !isForgeQError(error)) throw error
    const { code, message, errors, details, hint } = error
    throw new ForgeQError(code, `the first ${before} jobs are enqueued, the others are not: ${message}`, {
      ...(hint !== undefined && { hint }),
      errors,
      details: { ...details, enqueued: before },
      cause: error,
    })
  }
}
