const PER_STATEMENT = 200_000

/**
 * Fills a table with `count` copies of the rows of `where`, which the system itself has written: whatever its columns
 * hold, they hold it as in earnest. `changed` gives the columns that must differ as SQL, in which `g` numbers the copies.
 */
export async function multiplyRows(pool, { table, where, changed, count }) {
  const { rows } = await pool.query(
    `select attname as name from pg_attribute
      where attrelid = $1::regclass and attnum > 0 and not attisdropped and attgenerated = '' order by attnum`,
    [table],
  )
  const names = rows.map(({ name }) => `"${name}"`)
  const values = rows.map(({ name }) => changed[name] ?? `sample."${name}"`)
  for (let made = 0; made < count; made += PER_STATEMENT) {
    await pool.query(
      `insert into ${table} (${names.join(', ')}) overriding system value
       select ${values.join(', ')}
         from (select * from ${table} where ${where} limit 1) as sample, generate_series($1::int, $2::int) as g`,
      [made + 1, Math.min(count, made + PER_STATEMENT)],
    )
  }
}
