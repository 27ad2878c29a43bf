import { z } from 'zod'

export const WorkerView = z.strictObject({
  id: z.string(),
  name: z.string(),
  host: z.string(),
  pid: z.int(),
  version: z.string(),
  /** Empty: every queue. */
  queues: z.array(z.string()),
  types: z.array(z.string()),
  concurrency: z.int(),
  running: z.int(),
  started_at: z.string(),
  last_heartbeat_at: z.string(),
  expires_at: z.string(),
  status: z.enum(['active', 'draining', 'stuck', 'lost']),
})
export type WorkerView = z.infer<typeof WorkerView>
