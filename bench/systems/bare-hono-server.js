// The packages are ForgeQ's own, so that both run on the same framework and validator.
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { z } from 'zod'

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}$/
const name = z.string().regex(NAME)
const duration = z.string().regex(/^\d+(ms|s|m|h|d|w)$/)

/** The body of `POST /jobs`, as docs/http.md has it. */
const Job = z.strictObject({
  type: name,
  payload: z.unknown(),
  id: z.uuid().optional(),
  queue: name.optional(),
  priority: z.int().min(-32_768).max(32_767).optional(),
  run_at: z.iso.datetime({ offset: true }).optional(),
  delay: duration.optional(),
  expires_at: z.iso.datetime({ offset: true }).optional(),
  expires_in: duration.optional(),
  max_attempts: z.int().min(1).max(10_000).optional(),
  backoff: z
    .strictObject({ kind: z.string(), base: duration, cap: duration.optional(), jitter: z.number().optional() })
    .optional(),
  timeout: duration.optional(),
  idempotency_key: z.string().min(1).max(255).optional(),
  tags: z.array(z.string().min(1).max(128)).max(20).optional(),
  keep_for: duration.optional(),
  traceparent: z.string().optional(),
})

const app = new Hono()
app.post('/jobs', async (context) => {
  const parsed = Job.safeParse(await context.req.json())
  return parsed.success ? context.json(parsed.data, 201) : context.json(parsed.error.issues, 422)
})

serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${port}` }))
})
process.once('SIGTERM', () => process.exit(0))
