import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { parentOf } from '../process-figures.js'
import { endPrepared, holdHorizon } from './horizon.js'

const EMBEDDED = new URL('../../dist/embedded/index.js', import.meta.url)
const DATA_DIR = fileURLToPath(new URL('../.forgeq/', import.meta.url))

/**
 * The PostgreSQL of all systems: ForgeQ's embedded one with its settings (fsync on), or the server of `databaseUrl`,
 * whose user must be a superuser, with what the cases ask of the embedded one besides. `open` makes a fresh database for one measurement.
 */
export async function startPostgres({ databaseUrl, cases }) {
  const settings = Object.assign({}, ...cases.map((benchCase) => benchCase.postgres))
  const server = databaseUrl ? { url: databaseUrl, release: async () => {} } : await startEmbedded(settings)
  const admin = new pg.Client({ connectionString: server.url })
  await admin.connect()
  const { pid } = (await admin.query('select pg_backend_pid() as pid')).rows[0]
  const postmaster = databaseUrl || process.platform !== 'linux' ? undefined : parentOf(pid)
  let made = 0

  return {
    async describe() {
      const settings = ['server_version', 'fsync', 'synchronous_commit', 'shared_buffers', 'max_wal_size']
      const text = 'select name, current_setting(name) as value from unnest($1::text[]) as name'
      const { rows } = await admin.query(text, [settings])
      return Object.fromEntries(rows.map(({ name, value }) => [name, value]))
    },

    async open() {
      const database = `bench_${process.pid}_${(made += 1)}`
      await admin.query(`create database ${database}`)
      const address = { databaseUrl: withDatabase(server.url, database) }
      let counting = false
      const statements = async () => {
        if (!counting) return undefined
        const text = `select coalesce(sum(calls), 0)::float8 as calls from pg_stat_statements
                       where dbid = (select oid from pg_database where datname = $1)`
        return (await admin.query(text, [database])).rows[0].calls
      }
      return {
        address,
        /** Statistics as in a database that has been running for a while, and no checkpoint of what came before. */
        async settle() {
          const client = new pg.Client({ connectionString: address.databaseUrl })
          await client.connect()
          await client.query('analyze')
          await client.end()
          await admin.query('checkpoint')
        },
        /** Has the statements of new connections counted, where the server can. */
        async countStatements() {
          const { rows } = await admin.query(`select current_setting('shared_preload_libraries') as libraries`)
          if (!rows[0].libraries.includes('pg_stat_statements')) return
          await admin.query(`alter database ${database} set pg_stat_statements.track = 'top'`)
          await admin.query('create extension if not exists pg_stat_statements')
          counting = true
        },
        /** Statements, if they are counted, and transactions in the database so far, and the processes of its connections where they can be looked at. */
        async activity() {
          const text = `select (xact_commit + xact_rollback)::float8 as transactions,
                               array(select pid from pg_stat_activity where datname = $1) as pids
                          from pg_stat_database where datname = $1`
          const { rows } = await admin.query(text, [database])
          const { transactions, pids } = rows[0]
          return { statements: await statements(), transactions, postmaster, pids: postmaster ? pids : [] }
        },
        /** The parent of all its processes, where they can be looked at. */
        async postmasterPid() {
          const { rows } = await admin.query('select pg_backend_pid() as pid')
          return isLocal ? parentOf(rows[0].pid) : undefined
        },
        query: async (text, values) => (await admin.query(text, values)).rows,
        walPosition: async () => (await admin.query('select pg_current_wal_insert_lsn() as lsn')).rows[0].lsn,
        holdHorizon: (kind) => holdHorizon(address.databaseUrl, kind),
        async drop() {
          // A prepared one survives a failed measurement, and its database cannot be dropped with it.
          await endPrepared(address.databaseUrl)
          await admin.query(`drop database ${database} with (force)`)
        },
      }
    },

    async stop() {
      await admin.end()
      await server.release()
    },
  }
}

async function startEmbedded(settings) {
  if (!existsSync(EMBEDDED)) throw new Error('ForgeQ is not built: run `npm run build` first, or pass --database-url.')
  const { openEmbedded } = await import(EMBEDDED.href)
  const { connection, release } = await openEmbedded({
    dataDir: DATA_DIR,
    // The next run may need other settings.
    lingerMs: 0,
    settings: { max_prepared_transactions: '10', ...settings },
  })
  return { url: urlOf(connection), release }
}

function urlOf({ host, port, user, password, database }) {
  const encode = encodeURIComponent
  const login = `${encode(user)}:${encode(password ?? '')}`
  return host.startsWith('/')
    ? `postgres://${login}@/${encode(database)}?host=${encode(host)}&port=${port}`
    : `postgres://${login}@${host}:${port}/${encode(database)}`
}

function withDatabase(url, database) {
  const [, before, query = ''] = /^([a-z]+:\/\/[^/]*\/)[^?]*(\?.*)?$/.exec(url) ?? []
  if (!before) throw new Error('--database-url must name a database: postgres://user:password@host:port/database')
  return `${before}${database}${query}`
}
