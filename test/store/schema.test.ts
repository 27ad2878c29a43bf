import { describe, expect, test } from 'vitest'
import { uuidv7 } from 'uuidv7'
import { connect, createPool } from '../../src/store/database.ts'
import { MIGRATIONS } from '../../src/store/generated/migrations.ts'
import {
  checkSchema,
  findSchema,
  listMigrations,
  migrate,
  pendingMigrationsSql,
  SCHEMA_VERSION,
} from '../../src/store/schema.ts'
import { rawSql, testDatabase } from '../support/database.ts'
import { insertJob } from '../support/factory.ts'

const empty = testDatabase({ template: false })
const byHand = testDatabase({ template: false })
const foreign = testDatabase({ template: false })
const db = testDatabase()

const tables = (on: typeof db) =>
  on.sql(`select table_name, column_name, data_type, column_default from information_schema.columns
           where table_schema = 'forgeq' and table_name not similar to 'finished_jobs_[0-9]%' order by 1, 2`)

describe('migrations', () => {
  test('begin with an empty database, of which they say so', async () => {
    expect(await findSchema(empty.pool)).toEqual({ version: 0, empty: true })
    expect((await listMigrations(empty.pool)).every(({ appliedAt }) => appliedAt === undefined)).toBe(true)
  })

  test('are applied once when eight processes begin at the same time', async () => {
    const pools = Array.from({ length: 8 }, () => createPool(empty.connection, { size: 1, purpose: 'migrate' }))
    const applied = await Promise.all(pools.map((pool) => migrate(pool)))
    expect(applied.flat().sort((a, b) => a - b)).toEqual(MIGRATIONS.map(({ version }) => version))
    await Promise.all(pools.map((pool) => pool.close()))
    expect(await findSchema(empty.pool)).toEqual({ version: SCHEMA_VERSION, empty: false })
  })

  test('do nothing the second time', async () => {
    expect(await migrate(empty.pool)).toEqual([])
    const listed = await listMigrations(empty.pool)
    expect(listed.map(({ version }) => version)).toEqual(MIGRATIONS.map(({ version }) => version))
    expect(listed.every(({ appliedAt }) => appliedAt?.endsWith('Z'))).toBe(true)
  })

  test('are the same when somebody applies their text by hand', async () => {
    const text = await pendingMigrationsSql(byHand.pool)
    const connection = await connect(byHand.connection, 'test')
    await rawSql(connection, text)
    await connection.close()
    expect(await findSchema(byHand.pool)).toEqual({ version: SCHEMA_VERSION, empty: false })
    expect(await migrate(byHand.pool)).toEqual([])
    expect(await tables(byHand)).toEqual(await tables(empty))
    expect(await pendingMigrationsSql(byHand.pool)).toBe('')
  })

  test('see that a database is not empty in which somebody else has tables', async () => {
    await foreign.sql('create table theirs (n int)')
    expect(await findSchema(foreign.pool)).toEqual({ version: 0, empty: false })
  })

  test('are written down for operators as they are applied', async () => {
    const { readFile } = await import('node:fs/promises')
    const { version, name, sql } = MIGRATIONS[0]!
    const file = new URL(`../../migrations/${String(version).padStart(4, '0')}_${name}.sql`, import.meta.url)
    expect((await readFile(file, 'utf8')).trim()).toBe(sql.trim())
  })
})

describe('a schema', () => {
  test.each([SCHEMA_VERSION, SCHEMA_VERSION + 1])('of version %i is served', (version) =>
    expect(() => checkSchema(version)).not.toThrow(),
  )

  test.each([
    [0, 'no ForgeQ schema', 'forgeq migrate up'],
    [SCHEMA_VERSION + 2, `version ${SCHEMA_VERSION + 2}`, 'newer release'],
    [SCHEMA_VERSION + 100, `version ${SCHEMA_VERSION + 100}`, 'newer release'],
  ])('of version %i is refused, with what to do', (version, message, hint) => {
    expect(() => checkSchema(version)).toThrow(
      expect.objectContaining({
        code: 'schema_mismatch',
        message: expect.stringContaining(message) as string,
        hint: expect.stringContaining(hint) as string,
        details: { found: version, needed: SCHEMA_VERSION },
      }) as Error,
    )
  })
})

describe('the tables refuse', () => {
  const jobs =
    (set: string, ...values: unknown[]) =>
    async () => {
      const id = await insertJob(db.pool)
      await db.sql(`update forgeq.jobs set ${set} where id = '${id}'`, ...values)
    }
  test.each<[string, string, () => Promise<unknown>]>([
    ['a running job without a lease', 'lease_iff_running', jobs(`state = 'running'`)],
    [
      'a running job whose lease has no number',
      'lease_iff_running',
      jobs(`state = 'running', session_id = $1`, uuidv7()),
    ],
    ['a lease on a job that waits', 'lease_iff_running', jobs('session_id = $1, lease_no = 1', uuidv7())],
    ['a number of a lease on a job that waits', 'lease_iff_running', jobs('lease_no = 1')],
    ['a final state among the live', 'live_state', jobs(`state = 'completed'`)],
    ['an attempt before this life', 'attempts_in_bounds', jobs('life_start = 1')],
    ['a job that may never run', 'attempts_in_bounds', jobs('max_attempts = 0')],
    ['a negative number of losses', 'attempts_in_bounds', jobs('lost = -1')],
    ['a run without a token', 'leased_has_token', jobs('attempt = 1')],
    ['a nameless type', 'names_in_bounds', jobs(`type = ''`)],
    ['a queue with a name of 129', 'names_in_bounds', jobs(`queue = repeat('x', 129)`)],
    [
      'a live state in the history',
      'final_state',
      () =>
        db.sql(`insert into forgeq.finished_jobs (id, seq, queue, type, state, priority, run_at, created_at, finished_at, payload, attempt, max_attempts, life_start, lost, token, tags, delete_after)
              values (gen_random_uuid(), 1, 'q', 't', 'pending', 0, now(), now(), now(), '{}', 0, 1, 0, 0, 0, '{}', now()::date)`),
    ],
    [
      'an empty key',
      'key_in_bounds',
      () => db.sql(`insert into forgeq.idempotency_keys (key, job_id, meaning) values ('', gen_random_uuid(), '')`),
    ],
    [
      'a key of 256 bytes',
      'key_in_bounds',
      () =>
        db.sql(
          `insert into forgeq.idempotency_keys (key, job_id, meaning) values (repeat('x', 256), gen_random_uuid(), '')`,
        ),
    ],
    [
      'a key that counts down while its job lives',
      'expires_iff_final',
      () =>
        db.sql(
          `insert into forgeq.idempotency_keys (key, job_id, meaning, expires_at) values ('k', gen_random_uuid(), '', now())`,
        ),
    ],
    [
      'a session that ended for no reason',
      'reason_iff_ended',
      () =>
        db.sql(
          `insert into forgeq.sessions (id, name, host, pid, version, queues, types, concurrency, expires_at, ended_at) values (gen_random_uuid(), 'w', 'h', 1, '', '{}', '{}', 1, now(), now())`,
        ),
    ],
    [
      'a pause without a beginning',
      'until_needs_pause',
      () => db.sql(`insert into forgeq.queues (name, paused_until) values ('q', now())`),
    ],
  ])('%s', async (_what, constraint, work) => {
    await expect(work()).rejects.toMatchObject({ code: '23514', constraint })
  })
})
