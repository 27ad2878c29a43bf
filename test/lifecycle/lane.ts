import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type pg from 'pg'
import { APP, createPostgres, type Postgres } from '../chaos/postgres.ts'
import type { Product } from './product.ts'

const TEMPLATE = 'forgeq_template'

/** A PostgreSQL of its own, in which scenarios are played one after the other, each in a new database. */
export interface Lane {
  postgres: Postgres
  product: Product
  makeDatabase(name: string, how: 'migrated' | 'empty'): Promise<string>
  dropDatabase(name: string): Promise<void>
  /** Runs SQL as the superuser on a connection of its own. */
  sql<Row extends pg.QueryResultRow>(database: string, text: string, values?: unknown[]): Promise<Row[]>
  close(): Promise<void>
}

export async function openLane(product: Product): Promise<Lane> {
  const folder = mkdtempSync(join(tmpdir(), 'forgeq-lifecycle-'))
  chmodSync(folder, 0o755)
  const data = join(folder, 'data')
  mkdirSync(data)
  const postgres = await createPostgres({ folder, data, log: join(folder, 'postgres.log') })
  const urlOf = (name: string) =>
    `postgres://${APP}@/${name}?host=${encodeURIComponent(dirname(postgres.socket))}&port=5432`

  async function sql<Row extends pg.QueryResultRow>(
    database: string,
    text: string,
    values: unknown[] = [],
  ): Promise<Row[]> {
    const client = await postgres.admin(database)
    try {
      return (await client.query<Row>(text, values)).rows
    } finally {
      await client.end()
    }
  }

  const create = (name: string, how: string) => sql('postgres', `create database ${name} ${how} owner ${APP}`)
  await create(TEMPLATE, '')
  const client = new product.library.ForgeQ({ databaseUrl: urlOf(TEMPLATE) })
  await client.migrate()
  await client.close()
  return {
    postgres,
    product,
    sql,
    async makeDatabase(name, how) {
      await create(name, how === 'migrated' ? `template ${TEMPLATE}` : '')
      return urlOf(name)
    },
    dropDatabase: async (name) => void (await sql('postgres', `drop database if exists ${name} with (force)`)),
    async close() {
      await postgres.close()
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
