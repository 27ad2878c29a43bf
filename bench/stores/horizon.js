import pg from 'pg'

const PREPARED = 'forgeq_bench'

/**
 * Keeps an old transaction open in the database, behind which no dead row can be removed: `snapshot` is a reader in
 * repeatable read, `prepared` one that was prepared and forgotten. Resolves to what ends it, which throws when it was
 * not there any more: then the measurement says nothing.
 */
export async function holdHorizon(databaseUrl, kind) {
  const client = new pg.Client({ connectionString: databaseUrl })
  client.on('error', () => {})
  await client.connect()
  return kind === 'snapshot' ? await holdSnapshot(client) : await holdPrepared(client)
}

async function holdSnapshot(client) {
  await client.query('begin isolation level repeatable read')
  await client.query('select count(*) from pg_class')
  return async () => {
    await client.query('commit')
    await client.end()
  }
}

async function holdPrepared(client) {
  const { rows } = await client.query(`select current_setting('max_prepared_transactions')::int as most`)
  if (rows[0].most === 0)
    throw new Error('the server has max_prepared_transactions = 0: set it, or leave "prepared" out')
  await client.query('begin')
  await client.query('select pg_current_xact_id()') // A transaction without an id is forgotten when it is prepared.
  await client.query(`prepare transaction '${PREPARED}'`)
  return async () => {
    await client.query(`rollback prepared '${PREPARED}'`)
    await client.end()
  }
}

/** Ends prepared transactions that a failed measurement has left in the database. */
export async function endPrepared(databaseUrl) {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const { rows } = await client.query('select gid from pg_prepared_xacts where database = current_database()')
  for (const { gid } of rows) await client.query(`rollback prepared '${gid.replaceAll("'", "''")}'`)
  await client.end()
}
