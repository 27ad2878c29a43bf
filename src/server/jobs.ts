import { ForgeQError } from '../errors.ts'
import { parseDuration } from '../job/duration.ts'
import { isFinal } from '../job/state.ts'
import type { JobResult } from '../queue/job-queue.ts'
import { parseJobFilter } from '../wire/job-filter.ts'
import { jobJson, resultJson } from '../wire/jobs.ts'
import { pageJson } from '../wire/page.ts'
import { toSnake } from '../wire/snake.ts'
import { answer, answerJson, answerNothing } from './answer.ts'
import { jobId } from './parameters.ts'
import { readNoBody } from './read-body.ts'
import type { Handler, HttpContext, ServerContext } from './route.ts'
import { badRequest, knownQuery, queryOf } from './target.ts'

const MAX_WAIT_MS = 60_000

export const showJob: Handler = async (context, { queue }) => answerJson(jobJson(await queue.jobs.get(jobId(context))))

export const listJobs: Handler = async (context, { queue }) => {
  const { filter, problems } = parseJobFilter(queryOf(context))
  if (!filter) {
    const message = problems.map(({ path, message }) => `${path}: ${message}`).join('; ')
    throw new ForgeQError('invalid_request', message, { errors: problems })
  }
  const { items, nextCursor, searchedUntil } = await queue.jobs.list(filter)
  return answerJson(
    pageJson(
      items.map((job) => jobJson(job, 'list')),
      nextCursor,
      searchedUntil,
    ),
  )
}

export const jobResult: Handler = async (context, server) => {
  const id = jobId(context)
  const result = await awaitResult(context, server, id, waitMs(context))
  return isFinal(result.state) ? answerJson(resultJson(result)) : answer({ state: result.state }, 202)
}

export const whyJob: Handler = async (context, { queue }) => answer(toSnake(await queue.jobs.why(jobId(context))))

export const retryJob: Handler = (context, { queue }) => act(context, (id) => queue.jobs.retry(id))
export const runJob: Handler = (context, { queue }) => act(context, (id) => queue.jobs.run(id))
export const cancelJob: Handler = (context, { queue }) => act(context, (id) => queue.jobs.cancel(id))

export const deleteJob: Handler = async (context, { queue }) => {
  const id = jobId(context)
  await readNoBody(context)
  await queue.jobs.delete(id)
  return answerNothing()
}

async function act(context: HttpContext, change: (id: string) => ReturnType<ServerContext['queue']['jobs']['get']>) {
  const id = jobId(context)
  await readNoBody(context)
  return answerJson(jobJson(await change(id)))
}

/** The result, or where the job is when the time is over, the client has gone or the server closes. */
async function awaitResult(
  context: HttpContext,
  { queue, closing }: ServerContext,
  id: string,
  waitMs: number,
): Promise<JobResult> {
  if (waitMs === 0) return queue.jobs.result(id, { waitMs })
  const signal = AbortSignal.any([closing, context.req.raw.signal])
  try {
    return await queue.jobs.result(id, { waitMs, signal })
  } catch (error) {
    if (!signal.aborted) throw error
    return queue.jobs.result(id, { waitMs: 0 })
  }
}

function waitMs(context: HttpContext): number {
  const { wait } = knownQuery(context, ['wait'])
  if (wait === undefined) return 0
  const ms = parseDuration(wait)
  if (ms === undefined || ms > MAX_WAIT_MS) throw badRequest('wait', 'must be a duration of at most 60s')
  return ms
}
