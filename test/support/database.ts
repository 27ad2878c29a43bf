import { afterAll, beforeAll, inject } from 'vitest'
import { uuidv7 } from 'uuidv7'
import {
  connect,
  type ConnectionOptions,
  createPool,
  type Database,
  type DatabasePool,
} from '../../src/store/database.ts'

export interface TestServer {
  host: string
  port: number
  user: string
  password: string
  database: string
}

export interface TestDatabase {
  /** The pool of this file's own database. Only inside tests and hooks. */
  readonly pool: DatabasePool
  readonly connection: ConnectionOptions
  readonly url: string
  /** Runs SQL that no statement of the product covers. */
  sql<Row = Record<string, unknown>>(text: string, ...values: unknown[]): Promise<Row[]>
}

const urlOf = ({ host, port, user, password }: TestServer, database: string) =>
  `postgres://${user}:${encodeURIComponent(password)}@/${database}?host=${encodeURIComponent(host)}&port=${port}`

async function administer(text: string): Promise<void> {
  const admin = await connect({ ...inject('server'), database: 'postgres' }, 'test')
  await admin.query({ name: 'test', text, values: [], prepared: '' })
  await admin.close()
}

export const rawSql = async <Row>(db: Database, text: string, values: unknown[] = []): Promise<Row[]> =>
  db.query<Row>({ name: 'test', text, values, prepared: '' })

/** A database of this test file's own, copied from the migrated template; `template: false` gives an empty one. */
export function testDatabase({ template = true, size = 10 }: { template?: boolean; size?: number } = {}): TestDatabase {
  const name = `test_${uuidv7().replaceAll('-', '').slice(8)}`
  let pool: DatabasePool | undefined
  const connection = () => ({ ...inject('server'), database: name })
  beforeAll(async () => {
    await administer(`create database ${name} ${template ? 'template forgeq_template' : ''}`)
    pool = createPool(connection(), { size, purpose: 'test' })
  })
  afterAll(async () => {
    await pool?.close()
    await administer(`drop database ${name} with (force)`)
  })
  return {
    get pool() {
      if (!pool) throw new Error('the database is there only inside tests and hooks')
      return pool
    },
    get connection() {
      return connection()
    },
    get url() {
      return urlOf(inject('server'), name)
    },
    sql: (text, ...values) => rawSql(pool!, text, values),
  }
}
