import { ForgeQError } from '../errors.ts'

const codeOf = (error: unknown): string => {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

const isSqlState = (code: string): boolean => /^[0-9A-Z]{5}$/.test(code) && /\d/.test(code)

/**
 * A row of history was on its way into the default partition while the partition of its day was attached: the same
 * statement finds that one. A constraint of ours has a name, and what a trigger raises has no table.
 */
export function isPartitionMoved(error: unknown): boolean {
  const cause = error instanceof ForgeQError ? error.cause : error
  const { table, constraint } = (cause ?? {}) as { table?: string; constraint?: string }
  return codeOf(cause) === '23514' && table === 'finished_jobs_default' && !constraint
}

/**
 * True when the same statement may well work later: the connection or the server went, a lock or time limit struck,
 * resources ran out, a failover left a read-only server. Classes of SQLSTATE: PostgreSQL documentation, appendix A.
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof ForgeQError) return error.code === 'unavailable'
  if (isPartitionMoved(error)) return true
  const code = codeOf(error)
  if (isSqlState(code)) {
    return /^(08|53|57|58)/.test(code) || ['40001', '40P01', '55P03', '25006', '25P03'].includes(code)
  }
  // Sockets and TLS have more codes than anybody knows; what is wrong with an argument is ours.
  if (code !== '' && !/^ERR_(INVALID|OUT_OF_RANGE|MISSING|BUFFER)/.test(code)) return true
  return /Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|timeout expired|Client was closed/i.test(
    (error as Error | null)?.message ?? '',
  )
}

/**
 * True when it is the statement's values that the store cannot take, whoever asks and however often: classes 21, 22, 23,
 * 44, 54 and P0 (a trigger of somebody else's that says no), or what was never sent because it could not even be put into
 * words. Everything else may be over tomorrow.
 */
export function isRefusal(error: unknown): boolean {
  const code = codeOf(error)
  return isSqlState(code) ? /^(21|22|23|44|54|P0)/.test(code) : !isTransient(error)
}

/** True when somebody else holds a lock for longer than is waited for. */
export const isLocked = (error: unknown): boolean =>
  codeOf(error instanceof ForgeQError ? error.cause : error) === '55P03'

/** True when the lost answer may hide a commit; false when the server itself said that it did nothing. */
export const isUnknown = (error: unknown): boolean => {
  const cause = error instanceof ForgeQError ? error.cause : error
  const code = codeOf(cause)
  return !isSqlState(code) || /^(08|57P)/.test(code)
}

export const isDeadlock = (error: unknown): boolean =>
  codeOf(error instanceof ForgeQError ? error.cause : error) === '40P01'

const HINTS: [RegExp, string][] = [
  [/^(ECONNREFUSED|ENOENT)$/, 'start PostgreSQL, or check the address in DATABASE_URL'],
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'check the host name in DATABASE_URL'],
  [/^28/, 'check user and password in DATABASE_URL; percent-encode characters such as @ : / % # ? in a password'],
  [/^3D000$/, 'create the database, or name another one in DATABASE_URL'],
  [/^53300$/, 'raise max_connections, or lower --pool-size'],
  [/^25006$/, 'the server is read-only: point DATABASE_URL at the primary'],
]

/** The database is away or its answer was lost. What was asked for may or may not have happened. */
export function unavailable(doing: string, cause: unknown): ForgeQError {
  if (cause instanceof ForgeQError && cause.code === 'unavailable') return cause
  const code = codeOf(cause)
  const message = cause instanceof Error ? cause.message || code : String(cause)
  const hint = HINTS.find(([pattern]) => pattern.test(code))?.[1]
  return new ForgeQError('unavailable', `the database did not answer (${doing}): ${message}`, {
    hint: hint ?? 'repeat the call; with the same id or idempotency key there is one job',
    details: code ? { code } : {},
    cause,
  })
}
