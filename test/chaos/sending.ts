import type { EnqueueAnswered } from './history.ts'
import { BACKOFF } from './settings.ts'
import type { Wish } from './workload.ts'

/** A job as it is asked for, each time alike. */
export interface Request {
  wish: Wish
  key?: string
  id?: string
  /** JSON text. */
  payload: string
}

export type Answer = Pick<EnqueueAnswered, 'answer' | 'jobs' | 'code'>

/** A road on which jobs are enqueued; never rejects: what cannot be told is `unknown`. */
export interface Sender {
  readonly via: 'http' | 'library' | 'cli'
  enqueue(requests: readonly Request[]): Promise<Answer>
  act(act: 'cancel' | 'retry' | 'run', job: string): Promise<'done' | 'refused' | 'unknown'>
}

/** JSON text of the job as HTTP and the command line take it. */
export function bodyOf({ wish, key, id, payload }: Request): string {
  const fields = JSON.stringify({
    type: wish.type,
    id,
    idempotency_key: key,
    delay: wish.delayMs === undefined ? undefined : `${wish.delayMs}ms`,
    max_attempts: wish.maxAttempts,
    priority: wish.priority,
    backoff: BACKOFF,
  })
  return `${fields.slice(0, -1)},"payload":${payload}}`
}

/** What the job's handler reads, and by which call it can be told apart from all others. */
export function payloadOf(wish: Wish, call: string, n: number): string {
  const head = JSON.stringify({ work: wish.work, call, n })
  return wish.extra === undefined ? head : `${head.slice(0, -1)},"extra":${wish.extra}}`
}
