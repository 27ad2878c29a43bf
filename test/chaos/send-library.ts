import type * as Library from '../../src/index.ts'
import type { ErrorCode } from '../../src/errors.ts'
import { type Answer, type Request, type Sender } from './sending.ts'
import { BACKOFF } from './settings.ts'

const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'invalid_json',
  'invalid_job',
  'invalid_request',
  'invalid_id',
  'unsupported',
  'payload_too_large',
  'conflict',
  'wrong_state',
  'job_not_found',
  'job_expired',
])

/** `enqueue` and `enqueueMany` of the library in `product`. */
export async function librarySender(product: string, databaseUrl: string): Promise<Sender> {
  const { ForgeQ } = (await import(`${product}/dist/index.js`)) as typeof Library
  const forgeq = new ForgeQ({ databaseUrl, poolSize: 4 })
  return {
    via: 'library',
    async enqueue(requests) {
      try {
        const items = requests.map(itemOf)
        const [first] = items
        const jobs = items.length === 1 ? [await forgeq.enqueue(...first!)] : await forgeq.enqueueMany(items)
        return { answer: 'acknowledged', jobs: jobs.map(({ id, created }) => ({ id, created })) }
      } catch (error) {
        return failed(error)
      }
    },
    async act(act, job) {
      try {
        await forgeq.jobs[act](job)
        return 'done'
      } catch (error) {
        return failed(error).answer === 'refused' ? 'refused' : 'unknown'
      }
    },
  }
}

function itemOf({ wish, key, id, payload }: Request): [string, unknown, Library.EnqueueJobOptions] {
  return [
    wish.type,
    JSON.parse(payload),
    {
      maxAttempts: wish.maxAttempts,
      priority: wish.priority,
      backoff: BACKOFF,
      ...(id === undefined ? {} : { id }),
      ...(key === undefined ? {} : { idempotencyKey: key }),
      ...(wish.delayMs === undefined ? {} : { delay: `${wish.delayMs}ms` }),
    },
  ]
}

function failed(error: unknown): Answer {
  const code = (error as { code?: ErrorCode }).code
  return { answer: code && REFUSALS.has(code) ? 'refused' : 'unknown', code: code ?? (error as Error).name }
}
