import { isUtf8 } from 'node:buffer'
import { ForgeQError, isForgeQError } from '../errors.ts'
import type { Enqueued } from '../queue/job-queue.ts'
import { maxJobBytes, parseEnqueue } from '../wire/enqueue-body.ts'
import { createBulkCollector, parseBulk, type ParsedBulk } from '../wire/enqueue-bulk.ts'
import { traceparentFromHeader } from '../wire/enqueue-fields.ts'
import type { EnqueueDefaults } from '../wire/new-job.ts'
import type { Failure } from '../wire/failure.ts'
import { parseIdempotencyKey } from '../wire/idempotency-key.ts'
import { jobJson } from '../wire/jobs.ts'
import { answer, answerJson } from './answer.ts'
import { readLines, readText } from './body.ts'
import { bodyType, JSON_TYPE, NDJSON_TYPE } from './content-type.ts'
import type { Handler, HttpContext, ServerContext } from './route.ts'
import { badRequest } from './target.ts'

const MAX_BULK_BYTES = 64 * 1_048_576

export const enqueueOne: Handler = async (context, { queue, config, intake }) => {
  bodyType(context, [JSON_TYPE])
  const { maxPayloadBytes } = config
  const body = await readText(context, maxJobBytes({ maxPayloadBytes }), intake.bodyOf(context))
  const parsed = parseEnqueue(body, { maxPayloadBytes }, { ...keyOf(context), ...traceOf(context) })
  if (!parsed.job) throw refusal(parsed)
  const enqueued = await queue.enqueue(parsed.job)
  if (enqueued.removed) return answer({ ...enqueued.removed, removed: true })
  return answerJson(jobJson(enqueued.job), enqueued.created ? 201 : 200)
}

export const enqueueBulk: Handler = async (context, server) => {
  if (context.req.raw.headers.get('idempotency-key') !== null) {
    throw badRequest('Idempotency-Key', 'each job of a bulk call has its own idempotency_key')
  }
  const lines: number[] = []
  const isNdjson = bodyType(context, [JSON_TYPE, NDJSON_TYPE]) === NDJSON_TYPE
  const parsed = isNdjson ? await readNdjson(context, server, lines) : await readBulk(context, server)
  if (!parsed.jobs) throw refusal(parsed)
  const enqueued = await server.queue.enqueueMany(parsed.jobs).catch((error: unknown) => {
    throw isNdjson ? withLines(error, lines) : error
  })
  return answer({ jobs: enqueued.map(bulkItem) }, 201)
}

async function readBulk(context: HttpContext, { config, intake }: ServerContext): Promise<ParsedBulk> {
  const body = await readText(context, MAX_BULK_BYTES, intake.bodyOf(context))
  return parseBulk(body, { maxPayloadBytes: config.maxPayloadBytes }, traceOf(context))
}

/** `numbers` gets the number of each job's line. */
async function readNdjson(
  context: HttpContext,
  { config, intake }: ServerContext,
  numbers: number[],
): Promise<ParsedBulk> {
  const { maxPayloadBytes } = config
  const collector = createBulkCollector({ maxPayloadBytes }, traceOf(context))
  const share = intake.bodyOf(context)
  const limits = { maxLineBytes: maxJobBytes({ maxPayloadBytes }), maxBytes: MAX_BULK_BYTES, share }
  for await (const lines of readLines(context, limits)) {
    for (const { number, text } of lines) {
      numbers.push(number)
      if (!collector.add(text, `line ${number}`)) return collector.finish()
    }
  }
  return collector.finish()
}

function bulkItem({ created, job, removed }: Enqueued) {
  return removed ? { id: removed.id, created, state: removed.state, removed: true } : { id: job.id, created }
}

/** The queue names a job by its place in the call; whoever sent lines looks for the line. */
function withLines(error: unknown, lines: number[]): unknown {
  if (!isForgeQError(error)) return error
  const named = (text: string) =>
    text.replace(/^jobs\[(\d+)\]/, (place, index) => (lines[index] ? `line ${lines[index]}` : place))
  const { code, hint, errors, details } = error
  return new ForgeQError(code, named(error.message), {
    ...(hint !== undefined && { hint }),
    errors: errors.map(({ path, message }) => ({ path: named(path), message })),
    details,
    cause: error,
  })
}

function refusal({ code, problems }: Failure): ForgeQError {
  const message = problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`)).join('; ')
  return new ForgeQError(code, message, { errors: problems })
}

function keyOf(context: HttpContext): EnqueueDefaults {
  const header = context.req.raw.headers.get('idempotency-key')
  if (header === null) return {}
  // Node joins what is sent twice, and two keys would make a third.
  if ((context.env?.incoming?.headersDistinct['idempotency-key']?.length ?? 1) > 1) {
    throw badRequest('Idempotency-Key', 'is given twice')
  }
  const text = utf8FromLatin1(header)
  const key = text === undefined ? undefined : parseIdempotencyKey(text)
  if (key === undefined)
    throw badRequest('Idempotency-Key', 'must be 1 to 255 bytes of UTF-8, plain or as a quoted string')
  return { idempotencyKey: key }
}

/** Node hands a header over as Latin-1, whatever its bytes were meant to be. Undefined when they are no UTF-8: two keys must not become one. */
function utf8FromLatin1(header: string): string | undefined {
  const bytes = Buffer.from(header, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined
}

function traceOf(context: HttpContext): EnqueueDefaults {
  const header = context.req.raw.headers.get('traceparent')
  return header === null ? {} : { traceparent: traceparentFromHeader(header) }
}
