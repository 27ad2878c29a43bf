import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Config } from './config.ts'
import { type DatabaseOptions, describeDatabase, parseDatabaseUrl } from './database-url.ts'
import { ForgeQError, isForgeQError } from './errors.ts'
import type { Logger } from './log.ts'
import { connect, type ConnectionOptions, createPool, type DatabasePool } from './store/database.ts'
import { checkSchema, findSchema, findServer, migrate, SCHEMA_VERSION } from './store/schema.ts'

export interface OpenedDatabase {
  readonly pool: DatabasePool
  readonly connection: ConnectionOptions
  /** For people; without a password. */
  readonly description: string
  readonly embedded: boolean
  /** The cluster was made by this call. */
  readonly created: boolean
  /** The schema was made or brought up to date by this call. */
  readonly migrated: boolean
  close(): Promise<void>
}

export interface OpenDatabaseOptions {
  config: Config
  log: Logger
  whenAway: 'fail' | 'wait'
  schema: 'check' | 'skip'
  signal?: AbortSignal
}

const OLDEST_POSTGRES = 14
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 5_000

/**
 * Opens the database that the configuration names, or the embedded one, and sees to its schema: an embedded or empty
 * database is migrated, any other only with `migrate`.
 *
 * @throws {ForgeQError} `unavailable` (only with whenAway `fail`), `schema_mismatch`, `embedded_failed`, `invalid_config`
 */
export async function openDatabase({
  config,
  log,
  whenAway,
  schema,
  signal,
}: OpenDatabaseOptions): Promise<OpenedDatabase> {
  const found = config.databaseUrl === undefined ? await embedded(config, log) : await external(config.databaseUrl)
  const pool = createPool(found.connection, {
    size: config.poolSize,
    purpose: 'pool',
    ...(found.ensureRunning && { onRefused: once(found.ensureRunning) }),
  })
  const close = async () => {
    await pool.close()
    await found.release?.()
  }
  try {
    const settle = async () => schema === 'check' && (await settleSchema(pool, found.embedded || config.migrate))
    const { description } = found
    const migrated = await untilAnswered(settle, { pool, description, log, whenAway, ...(signal && { signal }) })
    return {
      pool,
      connection: found.connection,
      description: found.description,
      embedded: found.embedded,
      created: found.created,
      migrated,
      close,
    }
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
}

interface Found {
  connection: ConnectionOptions
  description: string
  embedded: boolean
  created: boolean
  release?: () => Promise<void>
  ensureRunning?: () => Promise<void>
}

async function embedded({ dataDir }: Config, log: Logger): Promise<Found> {
  // Loaded here only: a program with a database of its own never pays for it.
  const { openEmbedded } = await import('./embedded/index.ts')
  const opened = await openEmbedded({
    dataDir,
    onEvent: (event, { pid, ...fields } = {}) =>
      log.debug({ ...fields, event, ...(pid !== undefined && { postmaster_pid: pid }) }, 'embedded PostgreSQL'),
  })
  return {
    connection: { ...opened.connection },
    description: `the embedded PostgreSQL in ${dataDir}`,
    embedded: true,
    created: opened.created,
    release: () => opened.release(),
    ensureRunning: () => opened.ensureRunning(),
  }
}

async function external(url: string): Promise<Found> {
  const parsed = parseDatabaseUrl(url)
  if (parsed.options === undefined) {
    throw new ForgeQError('invalid_config', `the database URL cannot be read: ${parsed.problem}`, {
      errors: [{ path: 'databaseUrl', message: parsed.problem }],
    })
  }
  return {
    connection: await connectionOf(parsed.options),
    description: describeDatabase(parsed.options),
    embedded: false,
    created: false,
  }
}

/** What the driver needs, with the certificates read and `prefer` and `allow` decided by what the server offers. */
export async function connectionOf({
  sslMode,
  sslRootCert,
  sslCert,
  sslKey,
  ignored: _ignored,
  ...options
}: DatabaseOptions): Promise<ConnectionOptions> {
  if (sslMode === 'disable' || options.host.startsWith('/')) return options
  const read = async (path: string | undefined) =>
    path === undefined || path === 'system' ? undefined : readFile(path, 'utf8')
  const [ca, cert, key] = await Promise.all([read(sslRootCert), read(sslCert), read(sslKey)])
  const files = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  if (sslMode === 'verify-full' || sslRootCert === 'system') return { ...options, ssl: { verify: 'full', ...files } }
  if (sslMode === 'verify-ca' || (sslMode === 'require' && ca))
    return { ...options, ssl: { verify: 'authority', ...files } }
  const encrypted: ConnectionOptions = { ...options, ssl: { verify: 'none', ...files } }
  if (sslMode === 'require') return encrypted
  const [first, second] = sslMode === 'prefer' ? [encrypted, options] : [options, encrypted]
  return (await refusesTls(first)) ? second : first
}

/** True when the server answered that it does not speak this way; a server that is away decides nothing. */
async function refusesTls(options: ConnectionOptions): Promise<boolean> {
  try {
    await (await connect(options, 'tls')).close()
    return false
  } catch (error) {
    const message = ((error as ForgeQError).cause as Error | undefined)?.message ?? ''
    return /does not support SSL|no pg_hba.conf entry .*(no encryption|SSL off)/i.test(message)
  }
}

/** One attempt at a time to bring the embedded server back, whoever notices that it is gone. */
function once(work: () => Promise<void>): () => void {
  let running: Promise<void> | undefined
  return () => {
    running ??= work()
      .catch(() => {})
      .finally(() => (running = undefined))
  }
}

interface Patience {
  pool: DatabasePool
  description: string
  log: Logger
  whenAway: 'fail' | 'wait'
  signal?: AbortSignal
}

/** Does `work` on a server that answers and suits; one that goes away in the midst of it is waited for again. */
async function untilAnswered<T>(
  work: () => Promise<T>,
  { pool, description, log, whenAway, signal }: Patience,
): Promise<T> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
    try {
      const { version, major, fsync, settings } = await findServer(pool)
      if (major < OLDEST_POSTGRES) {
        throw new ForgeQError(
          'schema_mismatch',
          `PostgreSQL ${version} is too old; ForgeQ needs ${OLDEST_POSTGRES} or newer`,
        )
      }
      if (!settings) throw settingsDropped()
      if (!fsync) log.warn('this PostgreSQL runs with fsync=off: no promise of durability can be kept')
      return await work()
    } catch (error) {
      if (whenAway === 'fail' || !isForgeQError(error, 'unavailable')) throw described(error, description)
      if (signal?.aborted) throw error
      log.warn(
        { database: description, error: (error as Error).message, retry_in_ms: pauseMs },
        'waiting for the database',
      )
      await sleep(pauseMs, undefined, signal ? { signal } : {}).catch(() => {})
    }
  }
}

/** Without them a commit may not be on the disk when it is acknowledged, and times may be read wrongly. */
const settingsDropped = () =>
  new ForgeQError('invalid_config', 'the settings of our connections (synchronous_commit, TimeZone) are not in force', {
    hint: 'a pooler drops them: connect to PostgreSQL directly, or `alter role … set synchronous_commit = on` and `set timezone = UTC`',
  })

/** Names what was tried. */
function described(error: unknown, description: string): unknown {
  if (!isForgeQError(error, 'unavailable')) return error
  const { hint, details, cause } = error
  const message = cause instanceof Error && cause.message ? cause.message : error.message
  return new ForgeQError('unavailable', `cannot reach ${description}: ${message}`, {
    ...(hint && { hint }),
    details,
    cause,
  })
}

/** True when it migrated. */
async function settleSchema(pool: DatabasePool, mayMigrate: boolean): Promise<boolean> {
  const { version, empty } = await findSchema(pool)
  if (version < SCHEMA_VERSION && (mayMigrate || empty)) return (await migrate(pool)).length > 0
  checkSchema(version)
  return false
}
