import { z } from 'zod'
import { JOB_STATES } from '../job/state.ts'

/** Why a job is not running now: the hardest reason first. */
export const WhyView = z.strictObject({
  id: z.string(),
  state: z.enum(JOB_STATES),
  reasons: z.array(
    z.strictObject({ code: z.string(), message: z.string(), details: z.record(z.string(), z.unknown()) }),
  ),
})
export type WhyView = z.infer<typeof WhyView>
