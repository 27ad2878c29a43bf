import { ForgeQError } from '../errors.ts'
import type { Database, DatabasePool } from './database.ts'
import { MIGRATIONS } from './generated/migrations.ts'
import { sql } from './sql.ts'

/** The schema that this release makes. It serves this one and the next. */
export const SCHEMA_VERSION = MIGRATIONS.at(-1)!.version

export interface AppliedMigration {
  version: number
  name: string
  appliedAt?: string
}

interface FoundSchema {
  /** 0: nothing of ours is there. */
  version: number
  /** The database holds no table of anybody. */
  empty: boolean
}

/** Which schema the database has. */
export async function findSchema(db: Database): Promise<FoundSchema> {
  const [found] = await db.query<{ table_there: boolean; empty: boolean }>(sql`
    /* forgeq:find_schema */
    select to_regclass('forgeq.migrations') is not null as table_there,
           not exists (select from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
                        where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema') as empty`)
  if (!found?.table_there) return { version: 0, empty: found?.empty ?? false }
  const [row] = await db.query<{ version: number | null }>(sql`
    /* forgeq:schema_version */
    select max(version) as version from forgeq.migrations`)
  return { version: row?.version ?? 0, empty: false }
}

export interface FoundServer {
  /** As people write it. */
  version: string
  major: number
  /** What it commits is flushed. */
  fsync: boolean
  /** The settings that our connections ask for are in force; a pooler may drop them on the way. */
  settings: boolean
}

/** What server this is, and whether it keeps what our connections rest on. */
export async function findServer(db: Database): Promise<FoundServer> {
  const [row] = await db.query<{ version: string; number: number; fsync: string; settings: boolean }>(sql`
    /* forgeq:find_server */
    select current_setting('server_version') as version, current_setting('server_version_num')::int as number,
           current_setting('fsync') as fsync,
           current_setting('synchronous_commit') = 'on' and current_setting('TimeZone') = 'UTC' as settings`)
  const { version, number, fsync, settings } = row!
  return { version, major: Math.floor(number / 10_000), fsync: fsync === 'on', settings }
}

/** Throws when this release cannot serve the schema: it serves its own version and the next. */
export function checkSchema(found: number): void {
  if (found === SCHEMA_VERSION || found === SCHEMA_VERSION + 1) return
  const what = found === 0 ? 'the database has no ForgeQ schema' : `the database has schema version ${found}`
  const hint =
    found < SCHEMA_VERSION ? 'run `forgeq migrate up`, or start with --migrate' : 'install a newer release of ForgeQ'
  throw new ForgeQError('schema_mismatch', `${what}; this release needs version ${SCHEMA_VERSION}`, {
    hint,
    details: { found, needed: SCHEMA_VERSION },
  })
}

/** Every migration that this release knows or the database has, with when it was applied. */
export async function listMigrations(db: Database): Promise<AppliedMigration[]> {
  const { version } = await findSchema(db)
  const applied =
    version === 0
      ? []
      : await db.query<{ version: number; name: string; applied_at: string }>(sql`
        /* forgeq:list_migrations */
        select version, name, to_char(applied_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as applied_at
          from forgeq.migrations
         order by version`)
  const byVersion = new Map<number, AppliedMigration>(
    MIGRATIONS.map(({ version, name }) => [version, { version, name }]),
  )
  for (const { version, name, applied_at } of applied) byVersion.set(version, { version, name, appliedAt: applied_at })
  return [...byVersion.values()].sort((a, b) => a.version - b.version)
}

/** The SQL of the migrations that the database has not seen, for whoever applies them by hand; empty when there is none. */
export async function pendingMigrationsSql(db: Database): Promise<string> {
  const { version } = await findSchema(db)
  return MIGRATIONS.filter((migration) => migration.version > version)
    .map((migration) => `begin;\n${prelude}\n${migration.sql}\n${record(migration)};\ncommit;\n`)
    .join('\n')
}

const prelude = `create schema if not exists forgeq;
create table if not exists forgeq.migrations (version integer primary key, name text not null, applied_at timestamptz not null default clock_timestamp());`

const record = ({ version, name }: { version: number; name: string }) =>
  `insert into forgeq.migrations (version, name) values (${version}, '${name}')`

const plain = (name: string, text: string) => ({ name, text, values: [], prepared: '' })

/**
 * Brings the schema to this release's version, forward only. Safe when several processes do it at once: one works, the
 * others wait and find it done. Each migration is one transaction; the first ones of a database are one together, so that
 * whoever is killed in the midst leaves it empty, as any command may find it. Returns the versions that it applied.
 */
export async function migrate(db: DatabasePool): Promise<number[]> {
  const applied: number[] = []
  const isNew = (await findSchema(db)).version === 0
  for (const migrations of isNew ? [MIGRATIONS] : MIGRATIONS.map((migration) => [migration])) {
    await db.transaction(
      async (tx) => {
        await tx.query(plain('forgeq:migration_patience', `/* forgeq:migration_patience */ set local lock_timeout = 0`))
        // Held until the transaction ends, so a death in the middle leaves neither a lock nor half a schema.
        await tx.query(
          plain('forgeq:migration_lock', `/* forgeq:migration_lock */ select pg_advisory_xact_lock(4026720125)`),
        )
        const { version } = await findSchema(tx)
        for (const migration of migrations.filter((one) => one.version > version)) {
          await tx.query(plain('forgeq:migration_prelude', prelude))
          await tx.query(plain('forgeq:migration', migration.sql))
          await tx.query(plain('forgeq:record_migration', record(migration)))
          applied.push(migration.version)
        }
      },
      { patient: true },
    )
  }
  return applied
}
