import { enqueueBulk, enqueueOne } from './enqueue.ts'
import { healthz, metrics, readyz } from './health.ts'
import { cancelJob, deleteJob, jobResult, listJobs, retryJob, runJob, showJob, whyJob } from './jobs.ts'
import { listQueues, pauseQueue, resumeQueue, showQueue } from './queues.ts'
import type { Route } from './route.ts'
import { listWorkers, showWorker } from './workers.ts'

/** Everything that the server answers to. */
export const ROUTES: readonly Route[] = [
  { method: 'POST', path: '/jobs', handle: enqueueOne },
  { method: 'POST', path: '/jobs/bulk', handle: enqueueBulk },
  { method: 'GET', path: '/jobs', handle: listJobs, query: 'own' },
  { method: 'GET', path: '/jobs/:id', handle: showJob },
  { method: 'DELETE', path: '/jobs/:id', handle: deleteJob },
  { method: 'GET', path: '/jobs/:id/result', handle: jobResult, query: 'own' },
  { method: 'GET', path: '/jobs/:id/why', handle: whyJob },
  { method: 'POST', path: '/jobs/:id/retry', handle: retryJob },
  { method: 'POST', path: '/jobs/:id/cancel', handle: cancelJob },
  { method: 'POST', path: '/jobs/:id/run', handle: runJob },
  { method: 'GET', path: '/queues', handle: listQueues },
  { method: 'GET', path: '/queues/:name', handle: showQueue },
  { method: 'POST', path: '/queues/:name/pause', handle: pauseQueue },
  { method: 'POST', path: '/queues/:name/resume', handle: resumeQueue },
  { method: 'GET', path: '/workers', handle: listWorkers },
  { method: 'GET', path: '/workers/:id', handle: showWorker },
  { method: 'GET', path: '/healthz', handle: healthz, always: true },
  { method: 'GET', path: '/readyz', handle: readyz, always: true },
  { method: 'GET', path: '/metrics', handle: metrics, always: true },
]

/** The methods that a path answers to, for `Allow`; none when there is no such path. */
export function methodsOf(path: string): string[] {
  const segments = path.split('/')
  const methods = ROUTES.filter((route) => isMatch(route.path.split('/'), segments)).map(({ method }) => method)
  return methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
}

function isMatch(pattern: string[], segments: string[]): boolean {
  if (pattern.length !== segments.length) return false
  return pattern.every((part, index) => (part.startsWith(':') ? segments[index] !== '' : part === segments[index]))
}
