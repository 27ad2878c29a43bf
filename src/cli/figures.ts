import type { App } from '../app.ts'

/** What commands ask, under the names that they print. */
export type Queue = App['queue']
export type QueueFigures = Awaited<ReturnType<Queue['queues']['get']>>
export type WorkerFigures = Awaited<ReturnType<Queue['workers']['get']>>
export type Why = Awaited<ReturnType<Queue['jobs']['why']>>
