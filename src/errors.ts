/** The closed list of what can go wrong on purpose; HTTP statuses, docs and this list agree by a test. */
export const ERROR_CODES = [
  'invalid_json', // not JSON, or bytes that are not UTF-8
  'invalid_job', // JSON that cannot be a job; `errors` names every field
  'invalid_request', // a bad filter, cursor, parameter or body that is not about a job
  'invalid_id', // an id that is not a UUIDv7
  'invalid_config', // flags, environment or configuration file; `errors` names every key
  'unsupported', // a field or flag of something that is not built
  'unsupported_media_type',
  'payload_too_large',
  'not_found', // no such route
  'method_not_allowed',
  'job_not_found',
  'job_expired', // its id is older than the shortest retention, so nobody can say
  'queue_not_found',
  'worker_not_found',
  'conflict', // the same key or id with another meaning
  'wrong_state', // the job's state does not allow it
  'queue_full',
  'lease_lost',
  'session_lost',
  'forbidden', // refused host, or a bind that would open the server to others
  'overloaded', // the server has too much to do: nothing was done
  'unavailable', // the database is away or the answer was lost: unknown, repeat
  'schema_mismatch', // the database's schema is older or newer than this release serves
  'embedded_failed', // the embedded PostgreSQL cannot run here
  'handler_invalid', // a handler file does not load
  'timeout',
  'internal',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

/** One thing that is wrong with an input: `path` is the field (`jobs[3].payload`, `run_at`), '' the whole. */
export interface Problem {
  path: string
  message: string
}

export interface ErrorExtras {
  /** What to do next, one sentence; the CLI prints it on a line of its own. */
  hint?: string
  errors?: Problem[]
  details?: Record<string, unknown>
  cause?: unknown
}

/** Every error ForgeQ throws on purpose. Match on `code`; `message` is for people; `details` carries ids. */
export class ForgeQError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly errors: Problem[]
  readonly details: Record<string, unknown>

  constructor(code: ErrorCode, message: string, { hint, errors = [], details = {}, cause }: ErrorExtras = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'ForgeQError'
    this.code = code
    this.hint = hint
    this.errors = errors
    this.details = details
  }
}

export const isForgeQError = (error: unknown, code?: ErrorCode): error is ForgeQError =>
  error instanceof ForgeQError && (code === undefined || error.code === code)

export const jobNotFound = (id: string) => new ForgeQError('job_not_found', `no job has id ${id}`, { details: { id } })

export const wrongState = (id: string, state: string, wish: string) =>
  new ForgeQError('wrong_state', `the job is ${state} and cannot be ${wish}`, { details: { id, state } })

export const invalidJob = (errors: Problem[]) =>
  new ForgeQError(
    'invalid_job',
    errors.map(({ path, message }) => (path ? `${path}: ${message}` : message)).join('; '),
    {
      errors,
    },
  )
