import { statfsSync } from 'node:fs'
import { ForgeQError, isForgeQError } from '../errors.ts'

const OWN_DATABASE =
  'pass --database-url or DATABASE_URL=postgres://user:password@host:5432/database to use a PostgreSQL of your own'

/** An `embedded_failed` whose hint ends with the way that always works: a database of one's own. */
export const embeddedFailed = (message: string, wayOut?: string, cause?: unknown) =>
  new ForgeQError('embedded_failed', message, { hint: wayOut ? `${wayOut}; or ${OWN_DATABASE}` : OWN_DATABASE, cause })

export const noSpace = (folder: string, cause?: unknown) =>
  embeddedFailed(
    `no space left on the disk of ${folder} for the embedded PostgreSQL`,
    'free at least 200 MB there, or choose another folder with --data-dir or FORGEQ_DATA_DIR',
    cause,
  )

const readOnly = (folder: string, cause?: unknown) =>
  embeddedFailed(
    `the disk of ${folder} is read-only, the embedded PostgreSQL cannot keep its data there`,
    'choose another folder with --data-dir or FORGEQ_DATA_DIR',
    cause,
  )

const forbidden = (folder: string, cause?: unknown) =>
  embeddedFailed(
    `this user may not use ${folder}, the folder of the embedded PostgreSQL`,
    'run as the user who made it, or choose another folder with --data-dir or FORGEQ_DATA_DIR',
    cause,
  )

/** What PostgreSQL printed before it gave up, as an error for people; `log` is its whole last output. */
export function fromOutput(action: string, folder: string, log: string): ForgeQError {
  if (/shared memory segment[^\n]*No space left/i.test(log))
    return embeddedFailed(
      'PostgreSQL found no room in /dev/shm for its shared memory',
      'give the container more of it (docker run --shm-size=256m)',
    )
  if (/No space left on device|disk full/i.test(log)) return noSpace(folder)
  if (/Read-only file system/i.test(log)) return readOnly(folder)
  if (/could not access directory|Permission denied|invalid permissions|wrong ownership/i.test(log))
    return forbidden(folder, new Error(lastLines(log)))
  // On a full disk not even the message could be written.
  if (!log.trim() && freeBytes(folder) < 32 * 1024 * 1024) return noSpace(folder)
  return embeddedFailed(`${action} failed: ${lastLines(log) || 'it said nothing'}`)
}

/** An error of the file system or of anything else, as an `embedded_failed`. */
export function fromError(error: unknown, folder: string): ForgeQError {
  if (isForgeQError(error)) return error
  const code = (error as NodeJS.ErrnoException | undefined)?.code
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === '53100') return noSpace(folder, error)
  if (code === 'EROFS') return readOnly(folder, error)
  if (code === 'EACCES' || code === 'EPERM') return forbidden(folder, error)
  return embeddedFailed(`the embedded PostgreSQL in ${folder} failed: ${String(error)}`, undefined, error)
}

const lastLines = (log: string) =>
  log
    .split('\n')
    .filter((line) => line.trim())
    .slice(-6)
    .join('\n')

function freeBytes(folder: string): number {
  try {
    const { bavail, bsize } = statfsSync(folder)
    return bavail * bsize
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
