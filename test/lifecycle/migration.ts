import type { Lane } from './lane.ts'

/** What the product's migrations lock. */
const LOCK = 4026720125

/** Keeps migrations waiting. */
export interface MigrationHolder {
  /** Lets the transaction that waits go on, and keeps the next one waiting. */
  letOneThrough(): Promise<void>
  release(): void
}

export async function holdMigration({ postgres }: Lane, database: string): Promise<MigrationHolder> {
  const first = await postgres.admin(database)
  const second = await postgres.admin(database)
  const lock = `select pg_advisory_lock(${LOCK})`
  await first.query(lock)
  let released = false
  return {
    async letOneThrough() {
      // It stands in the row behind the one that waits.
      const held = second.query(lock)
      await first.end()
      await held.catch(() => {}) // the database may have gone meanwhile
    },
    release() {
      if (released) return
      released = true
      for (const client of [first, second]) void client.end().catch(() => {})
    },
  }
}

export async function watchMigration({ postgres }: Lane, database: string) {
  const client = await postgres.admin(database)
  const some = async (text: string) => ((await client.query(text)).rowCount ?? 0) > 0
  return {
    isUnderWay: () =>
      some(
        `select from pg_stat_activity where pid <> pg_backend_pid() and query ~ 'forgeq:migration|create table forgeq'`,
      ),
    waits: () =>
      some(`select from pg_locks as waits join pg_stat_activity as a using (pid)
             where waits.locktype = 'advisory' and not waits.granted and a.query ~ 'forgeq:migration_lock'`),
    isDone: () => some(`select from pg_class where oid = to_regclass('forgeq.migrations')`),
    stop: () => client.end(),
  }
}
