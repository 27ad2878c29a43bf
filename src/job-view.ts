import type { Job } from './job/job.ts'
import type { Enqueued } from './queue/job-queue.ts'

/** A job as the library shows it: payload and result as values. */
export interface JobView<Payload = unknown, Result = unknown> extends Omit<Job, 'payloadJson' | 'resultJson'> {
  payload: Payload
  result?: Result
}

export type EnqueuedJob<Payload = unknown, Result = unknown> = JobView<Payload, Result> & { created: boolean }

/** Shorter than this a payload is parsed in less time than it takes to put it off. */
const PUT_OFF_FROM = 512

/** A job with its payload and result as values; a large payload is parsed when it is first looked at. */
export function viewOf({ payloadJson, resultJson, ...job }: Job): JobView {
  const view = job as JobView
  if (resultJson !== undefined) view.result = JSON.parse(resultJson) as unknown
  if (payloadJson.length < PUT_OFF_FROM) {
    view.payload = JSON.parse(payloadJson) as unknown
    return view
  }
  let payload: unknown
  let parsed = false
  Object.defineProperty(view, 'payload', {
    enumerable: true,
    configurable: true,
    get() {
      if (!parsed) payload = JSON.parse(payloadJson)
      parsed = true
      return payload
    },
  })
  return view
}

export function viewOfEnqueued({ created, job, removed }: Enqueued): EnqueuedJob {
  if (job) return Object.assign(viewOf(job), { created })
  // Its key lives on, it is gone by retention: what is known of it is its id and how it ended.
  return { ...removed, created: false, removed: true } as unknown as EnqueuedJob
}
