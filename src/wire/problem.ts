import { z } from 'zod'

/** One thing that is wrong with an input: `path` is the field (`jobs[3].payload`, `run_at`), '' the whole. */
export const FieldProblem = z.strictObject({ path: z.string(), message: z.string() })
export type FieldProblem = z.infer<typeof FieldProblem>

/** The body of every refusal over HTTP: a problem document of RFC 9457. Further members are ids (`id`, `state`, …). */
export const ProblemView = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  code: z.string(),
  errors: z.array(FieldProblem).optional(),
  /** What to do next, one sentence. */
  hint: z.string().optional(),
  /** On an unexpected error: what the server's log says of it carries the same id. */
  request_id: z.string().optional(),
})
export type ProblemView = z.infer<typeof ProblemView>

export const PROBLEM_MEDIA_TYPE = 'application/problem+json'

/**
 * The stable name of a kind of problem. It names and does not locate, so that it stays the same whatever host or path
 * a server answers under.
 */
export const problemType = (code: string): string => `urn:forgeq:problem:${code}`
