import type { Database, DatabasePool } from '../../src/store/database.ts'
import type { Statement } from '../../src/store/sql.ts'

/** A pool that tells of each statement before it is sent; what `before` awaits holds the statement up. */
export function watched(
  pool: DatabasePool,
  before: (statement: Statement) => void | Promise<void>,
): DatabasePool & { readonly names: string[] } {
  const names: string[] = []
  const watching = (db: Database): Database => ({
    async query<Row>(statement: Statement) {
      names.push(statement.name)
      await before(statement)
      return db.query<Row>(statement)
    },
  })
  return {
    names,
    query: (statement) => watching(pool).query(statement),
    transaction: (work) => pool.transaction((tx) => work(watching(tx))),
    connect: (purpose) => pool.connect(purpose),
    get stats() {
      return pool.stats
    },
    close: () => pool.close(),
  }
}

/** A promise and what resolves it. */
export function gate(): { opened: Promise<void>; open: () => void } {
  let open!: () => void
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}
