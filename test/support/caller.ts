import pg from 'pg'
import type { TestDatabase } from './database.ts'

/** Runs `work` with a client of a user's program: the driver as it comes, with nothing of ours set. */
export async function withCaller<T>(db: TestDatabase, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const { host, port, user, password, database } = db.connection
  const client = new pg.Client({ host, port, database, user: user!, password: password! })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Resolves once so many backends of this database wait for a lock. */
export async function untilWaiting(db: TestDatabase, backends: number): Promise<void> {
  for (;;) {
    const [row] = await db.sql<{ n: number }>(
      `select count(*) as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    )
    if (row!.n >= backends) return
  }
}
