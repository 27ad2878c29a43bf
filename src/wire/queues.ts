import { z } from 'zod'
import { futureInstant, plainText } from './fields.ts'

export const QueueView = z.strictObject({
  name: z.string(),
  paused: z
    .strictObject({
      reason: z.string().optional(),
      by: z.string().optional(),
      since: z.string(),
      until: z.string().optional(),
    })
    .optional(),
  depth: z.strictObject({
    scheduled: z.int(),
    pending: z.int(),
    running: z.int(),
    retrying: z.int(),
    blocked: z.int(),
    dead: z.int(),
  }),
  oldest_pending_seconds: z.number().optional(),
  /** Per second, over the last minute. */
  rates: z.strictObject({ enqueued: z.number(), finished: z.number() }),
  /** Live workers that serve the queue. */
  workers: z.int(),
  /** Types with waiting jobs that no live worker serves. */
  unserved_types: z.array(z.string()),
  waiting_work_seconds: z.number().optional(),
})
export type QueueView = z.infer<typeof QueueView>

export const PauseBody = z.strictObject({ reason: plainText(500).optional(), until: futureInstant.optional() })
