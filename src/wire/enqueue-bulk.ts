import type { NewJob } from '../job/job.ts'
import { elementSpans, memberSpans } from '../job/json.ts'
import { isSyntaxError, notJson, parseEnqueue } from './enqueue-body.ts'
import { failure, mergeFailures, placed, type Failure } from './failure.ts'
import { unknownName } from './problems-of.ts'
import type { EnqueueDefaults, EnqueueLimits } from './new-job.ts'

export const MAX_BULK_JOBS = 10_000

/** A mistake of a program is in every item: after so many refused ones the rest would say nothing new. */
const MAX_FAILURES = 100

export type ParsedBulk = { jobs: NewJob[]; code?: never; problems?: never } | Failure

/** Collects the jobs of one call; it is all of them or the problems of those that cannot be. */
export interface BulkCollector {
  /** False when nothing more needs to be read: there are too many jobs or problems. */
  add(json: string, place: string): boolean
  finish(): ParsedBulk
}

export function createBulkCollector(limits: EnqueueLimits, defaults: EnqueueDefaults = {}): BulkCollector {
  const jobs: NewJob[] = []
  const failures: Failure[] = []
  return {
    add(json, place) {
      if (jobs.length >= MAX_BULK_JOBS) {
        failures.push(failure('payload_too_large', place, `one call takes at most ${MAX_BULK_JOBS} jobs`))
        return false
      }
      const parsed = parseEnqueue(json, limits, defaults)
      if (parsed.job) jobs.push(parsed.job)
      else failures.push(placed(parsed, place))
      return failures.length < MAX_FAILURES
    },
    finish: () => mergeFailures(failures) ?? { jobs },
  }
}

/** Reads `{"jobs": […]}`. Paths begin with the job's place, `jobs[3].payload`. */
export function parseBulk(body: string, limits: EnqueueLimits, defaults: EnqueueDefaults = {}): ParsedBulk {
  const spans = memberSpans(body)
  if (!spans) {
    return isSyntaxError(body) ? notJson(body) : failure('invalid_job', '', 'the body must be {"jobs": […]}')
  }
  const { members, duplicates } = spans
  const unknown = [...members.keys()].filter((name) => name !== 'jobs').slice(0, MAX_FAILURES)
  if (unknown.length > 0) {
    return {
      code: 'invalid_job',
      problems: unknown.map((name) => ({ path: name, message: unknownName('field', name, ['jobs']) })),
    }
  }
  if (duplicates.length > 0) return failure('invalid_job', 'jobs', 'stands twice')
  const start = members.get('jobs')?.start
  if (start === undefined) return failure('invalid_job', 'jobs', 'is required')
  const elements = elementSpans(body, start)
  if (!elements) return isSyntaxError(body) ? notJson(body) : failure('invalid_job', 'jobs', 'must be an array')
  const collector = createBulkCollector(limits, defaults)
  for (const [index, { start: from, end }] of elements.entries()) {
    if (!collector.add(body.slice(from, end), `jobs[${index}]`)) break
  }
  return collector.finish()
}
