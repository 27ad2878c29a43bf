import { ForgeQError } from '../errors.ts'
import type { Database } from './database.ts'
import { sql, type Statement } from './sql.ts'

/** Any client of `pg` on which the caller has begun a transaction. */
export interface CallerTransaction {
  query(text: string, values: unknown[]): Promise<{ rows: unknown[] }>
}

/**
 * A caller's own transaction as a database: nothing is prepared in it, nothing is begun, committed or rolled back.
 *
 * @throws {ForgeQError} `invalid_request` for something that is not a transaction of `pg`
 */
export function callersTransaction(tx: CallerTransaction): Database {
  if (typeof (tx as { query?: unknown } | null)?.query !== 'function') {
    throw new ForgeQError('invalid_request', '`tx` is not a client of pg on which a transaction has begun', {
      hint: 'pass the client that ran `begin`',
    })
  }
  if ('totalCount' in tx && 'idleCount' in tx) {
    throw new ForgeQError('invalid_request', '`tx` is a pool: its statements run on different connections', {
      hint: 'take a client with pool.connect(), run `begin` on it and pass that',
    })
  }
  // Older releases of the driver do not tell.
  if ((tx as { getTransactionStatus?(): string | null }).getTransactionStatus?.() === 'I') {
    throw new ForgeQError('invalid_request', '`tx` is a client on which no transaction has begun', {
      hint: 'run `begin` on it first',
    })
  }
  return {
    async query<Row>({ text, values }: Statement) {
      return (await tx.query(text, values)).rows as Row[]
    },
  }
}

/**
 * Has the database say that a transaction has begun, where the driver does not: outside of one, the lock that the next
 * statement takes anyway is refused.
 *
 * @throws {ForgeQError} `invalid_request`
 */
export async function requireBegun(tx: CallerTransaction, own: Database): Promise<void> {
  if (typeof (tx as { getTransactionStatus?: unknown }).getTransactionStatus === 'function') return
  try {
    await own.query(sql`
    /* forgeq:require_begun */
    lock table forgeq.jobs in row exclusive mode`)
  } catch (error) {
    if (codeOf(error) !== '25P01') throw error
    throw new ForgeQError('invalid_request', '`tx` is not in a transaction: no transaction has begun on it', {
      hint: 'run `begin` on the client and pass that; a pool runs each statement on another connection',
      cause: error,
    })
  }
}

/**
 * Whether a job of this id has been before can only be told by statements that see what has been committed meanwhile.
 *
 * @throws {ForgeQError} `invalid_request` in a transaction that goes on seeing what was there when it began
 */
export async function requireFreshSnapshots(own: Database): Promise<void> {
  const [row] = await own.query<{ isolation: string }>(sql`
    /* forgeq:transaction_isolation */
    select current_setting('transaction_isolation') as isolation`)
  if (row?.isolation === 'read committed' || row?.isolation === 'read uncommitted') return
  throw new ForgeQError('invalid_request', `\`id\` cannot be given in a transaction that is ${row?.isolation}`, {
    hint: 'begin it as read committed, or leave the id out and use an idempotency key',
  })
}

/** Also where a layer over the driver has wrapped its error. */
function codeOf(error: unknown): unknown {
  const { code, cause } = error as { code?: unknown; cause?: unknown }
  return typeof code === 'string' || !(cause instanceof Error) ? code : codeOf(cause)
}
