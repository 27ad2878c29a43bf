import pg from 'pg'
import { ForgeQError } from '../errors.ts'
import { isPartitionMoved, isTransient, unavailable } from './failures.ts'
import type { Statement } from './sql.ts'
import { waitAtMost } from './wait-at-most.ts'

/** Anything that runs a statement: the pool, one connection, a transaction, a caller's own transaction. */
export interface Database {
  query<Row>(statement: Statement): Promise<Row[]>
}

/** The pool of a process: statements of one commit each, and transactions. */
export interface DatabasePool extends Database {
  /** Runs `work` in one transaction: committed when it returns, rolled back when it throws. `patient`: its statements may take for ever. */
  transaction<T>(work: (tx: Database) => Promise<T>, options?: { patient?: boolean }): Promise<T>
  /** A connection of its own, outside the pool. */
  connect(purpose: string): Promise<Connection>
  /** Its connections, `size` of them at most. */
  readonly stats: { size: number; total: number; idle: number; waiting: number }
  close(): Promise<void>
}

/** One connection that lives until it is closed or breaks. */
export interface Connection extends Database {
  readonly backendPid: number
  /** Notices an unexpected end. */
  onEnd(listener: () => void): void
  onNotification(listener: (channel: string, payload: string) => void): void
  close(): Promise<void>
}

/** Where the database is. Plain values only: they are handed to threads. */
export interface ConnectionOptions {
  host: string
  port: number
  database: string
  user?: string
  password?: string
  application_name?: string
  options?: string
  connectionTimeoutMillis?: number
  /** A statement that is not answered by then breaks its connection: a network that swallows everything would hold it for a quarter of an hour. */
  answerWithinMs?: number
  ssl?: { verify: 'none' | 'authority' | 'full'; ca?: string; cert?: string; key?: string }
}

const TIMESTAMPTZ = 1184
const INT8 = 20
const JSON_TYPES = new Set([114, 3802])

// Times and JSON stay the text that Postgres sent: a Date has no microseconds, a parsed number loses digits.
const types = {
  getTypeParser(oid: number): (text: string) => unknown {
    if (oid === TIMESTAMPTZ || JSON_TYPES.has(oid)) return (text) => text
    return oid === INT8 ? Number : parserOf(oid)
  },
}
const parserOf = pg.types.getTypeParser as (oid: number) => (text: string) => unknown

const LOCK_WAIT_MS = 5_000

/**
 * What every connection of ours asks for, whatever the role's or the database's defaults are. The live table is small
 * and in memory: at the default price of a random page the planner prefers to read all of it. A prepared statement
 * keeps the plan that it was given while the table was empty, and reading the whole of an empty table costs nothing:
 * without `enable_seqscan=off` such a claim goes on reading the whole of a million jobs, until statistics are next
 * taken. Vacuumed just when it was empty, the table seems to hold one row, and a bitmap of all that waits, sorted, as
 * cheap as the first entries of an index: `enable_bitmapscan=off`; and so does comparing each of 500 outcomes with each
 * of 500 jobs: `enable_nestloop=off`. Where there is no other way, it is done all the same. What a second statement of a
 * transaction must see (an idempotency key's winner, the history) it sees only when each has a snapshot of its own: read
 * committed.
 */
const SETTINGS = [
  'synchronous_commit=on',
  'TimeZone=UTC',
  'DateStyle=ISO',
  'client_encoding=UTF8',
  'jit=off',
  'random_page_cost=1.1',
  'enable_seqscan=off',
  'enable_bitmapscan=off',
  'enable_nestloop=off',
  'default_transaction_isolation=read\\ committed',
  // What a role or a database sets for its people is not meant for us: a batch that takes its time would be repeated for ever.
  'statement_timeout=0',
  'extra_float_digits=1',
  // Nobody waits for ever for what somebody else has locked.
  `lock_timeout=${LOCK_WAIT_MS}`,
  // A process that hangs between two statements must not hold its locks, the pruner's on all of history among them.
  'idle_in_transaction_session_timeout=10s',
]

const ANSWER_WITHIN_MS = 60_000

const clientConfig = (
  { ssl, answerWithinMs: _ours, ...options }: ConnectionOptions,
  purpose: string,
): pg.ClientConfig => ({
  connectionTimeoutMillis: 10_000,
  keepAlive: true,
  keepAliveInitialDelayMillis: 10_000,
  ...options,
  ssl: ssl ? tlsOptions(ssl) : false,
  application_name: options.application_name ?? `forgeq ${purpose}`,
  options: [options.options, ...SETTINGS.map((setting) => `-c ${setting}`)].filter(Boolean).join(' '),
})

const tlsOptions = ({ verify, ...files }: NonNullable<ConnectionOptions['ssl']>) => ({
  ...files,
  rejectUnauthorized: verify !== 'none',
  // An authority is trusted whatever name its certificate bears.
  ...(verify === 'authority' && { checkServerIdentity: () => undefined }),
})

interface Warned {
  warning?: string
}

/**
 * Runs one statement on one client. A warning of class 01000 while it committed means that a standby may not have it
 * (a cancelled wait for synchronous replication answers with success): not durable, so unknown.
 */
async function run<Row>(client: pg.ClientBase & Warned, statement: Statement, withinMs?: number): Promise<Row[]> {
  delete client.warning
  const { text, values, prepared, rowsAsArrays } = statement
  try {
    const config = { name: prepared, text, values, types, ...(rowsAsArrays && { rowMode: 'array' }) }
    const asked = client.query(config as pg.QueryConfig)
    const { rows } = await answered(client, asked, withinMs)
    if (client.warning) throw unavailable(statement.name, new Error(client.warning))
    return rows as Row[]
  } catch (error) {
    throw isTransient(error) ? unavailable(statement.name, error) : error
  }
}

/** The same outside a transaction, where a row that met a moving partition finds its new one at once. */
async function runAlone<Row>(client: pg.ClientBase & Warned, statement: Statement, withinMs: number): Promise<Row[]> {
  try {
    return await run<Row>(client, statement, withinMs)
  } catch (error) {
    if (!isPartitionMoved(error)) throw error
    return run<Row>(client, statement, withinMs)
  }
}

/** Breaks the connection when no answer has come in time: whoever waits for it is told. */
async function answered<T>(client: pg.ClientBase, answer: Promise<T>, withinMs: number | undefined): Promise<T> {
  if (withinMs === undefined) return answer
  const late = setTimeout(() => cutOff(client), withinMs)
  return answer.finally(() => clearTimeout(late))
}

function watchWarnings(client: pg.ClientBase & Warned): void {
  client.on('notice', (notice) => {
    if (notice.code === '01000') client.warning = notice.message ?? 'warning 01000'
  })
}

export interface PoolOptions {
  size: number
  purpose: string
  /** A connection could not be made. */
  onRefused?: () => void
}

/** Opens nothing yet: connections are made when they are needed. */
export function createPool(options: ConnectionOptions, { size, purpose, onRefused }: PoolOptions): DatabasePool {
  const withinMs = options.answerWithinMs ?? ANSWER_WITHIN_MS
  const pool = new pg.Pool({ ...clientConfig(options, purpose), max: size, idleTimeoutMillis: 30_000 })
  pool.on('connect', (client) => {
    watchWarnings(client)
    // While it is checked out nobody of the pool listens, and one that breaks between two statements would end the process.
    client.on('error', () => {})
  })
  const clients = new Set<pg.ClientBase>()
  pool.on('connect', (client) => clients.add(client))
  pool.on('remove', (client) => clients.delete(client))
  // An idle connection that breaks is replaced at the next use; without a listener it would end the process.
  pool.on('error', () => {})
  const checkout = async (name: string) => {
    try {
      return await pool.connect()
    } catch (error) {
      onRefused?.()
      throw unavailable(name, error)
    }
  }
  return {
    async query<Row>(statement: Statement) {
      const client = await checkout(statement.name)
      let broken = false
      try {
        return await runAlone<Row>(client, statement, withinMs)
      } catch (error) {
        broken = error instanceof ForgeQError
        throw error
      } finally {
        client.release(broken)
      }
    },
    async transaction(work, { patient = false } = {}) {
      const limitMs = patient ? undefined : withinMs
      const client = await checkout('begin')
      let broken = true
      try {
        await answered(client, client.query('begin'), limitMs)
        const result = await work({ query: (statement) => run(client, statement, limitMs) })
        delete (client as Warned).warning
        await answered(client, client.query('commit'), limitMs)
        const warning = (client as Warned).warning
        if (warning) throw unavailable('commit', new Error(warning))
        broken = false
        return result
      } catch (error) {
        await answered(client, client.query('rollback'), limitMs).then(
          () => (broken = error instanceof ForgeQError && error.code === 'unavailable'),
          () => {},
        )
        throw isTransient(error) ? unavailable('transaction', error) : error
      } finally {
        client.release(broken)
      }
    },
    connect: (purpose) => connect(options, purpose),
    get stats() {
      return { size, total: pool.totalCount, idle: pool.idleCount, waiting: pool.waitingCount }
    },
    async close() {
      const late = setTimeout(() => clients.forEach(cutOff), CLOSE_MS)
      const ended = pool.end().finally(() => clearTimeout(late))
      // A connection that is just being made and is not answered ends by itself.
      await waitAtMost(2 * CLOSE_MS, ended)
    },
  }
}

/** A network that swallows everything never answers the good-bye either: after this it is not waited for. */
const CLOSE_MS = 1_000

const cutOff = (client: pg.ClientBase): void =>
  (client as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy()

async function endClient(client: pg.Client): Promise<void> {
  const late = setTimeout(() => cutOff(client), CLOSE_MS)
  await client.end().finally(() => clearTimeout(late))
}

/** Opens one connection outside any pool. @throws `unavailable` */
export async function connect(options: ConnectionOptions, purpose: string): Promise<Connection> {
  const client = new pg.Client(clientConfig(options, purpose))
  client.on('error', () => {}) // 'end' follows and is what callers listen to
  watchWarnings(client)
  try {
    await client.connect()
  } catch (error) {
    throw unavailable('connect', error)
  }
  return {
    backendPid: (client as unknown as { processID: number }).processID,
    query: (statement) => runAlone(client, statement, options.answerWithinMs ?? ANSWER_WITHIN_MS),
    onEnd: (listener) => void client.once('end', listener),
    onNotification: (listener) =>
      void client.on('notification', ({ channel, payload }) => listener(channel, payload ?? '')),
    close: () => endClient(client),
  }
}
