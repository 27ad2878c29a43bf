import { ForgeQError } from '../errors.ts'

const codeOf = (error: unknown): string => {
  const code = (error as { code?: unknown } | null)?.code
  return typeof code === 'string' ? code : ''
}

const AWAY = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EADDRNOTAVAIL',
])

/**
 * True when the same statement may well work later: the connection or the server went, a lock or time limit struck,
 * resources ran out, a failover left a read-only server. Classes of SQLSTATE: PostgreSQL documentation, appendix A.
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof ForgeQError) return error.code === 'unavailable'
  const code = codeOf(error)
  if (AWAY.has(code) || /^(08|53|57|58)/.test(code)) return true
  if (['40001', '40P01', '55P03', '25006', '25P03'].includes(code)) return true
  return /Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect|timeout expired|Client was closed/i.test(
    (error as Error | null)?.message ?? '',
  )
}

/** True when the lost answer may hide a commit; false when the server itself said that it did nothing. */
export const isUnknown = (error: unknown): boolean => {
  const cause = error instanceof ForgeQError ? error.cause : error
  const code = codeOf(cause)
  return !/^[0-9A-Z]{5}$/.test(code) || /^(08|57P)/.test(code)
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
