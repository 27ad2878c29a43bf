import type { Database } from './database.ts'
import { sql } from './sql.ts'

export interface Partition {
  name: string
  /** First day in it, `2026-11-25`. */
  from: string
  /** The day after its last. */
  to: string
}

/** The days that the history has partitions for, and today by the database's clock. */
export async function listPartitions(db: Database): Promise<{ today: string; partitions: Partition[] }> {
  const rows = await db.query<{ today: string; name: string | null; bounds: string | null }>(sql`
    /* forgeq:list_partitions */
    select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD') as today, part.name, part.bounds
      from (select) as one
      left join (
        select child.relname as name, pg_get_expr(child.relpartbound, child.oid) as bounds
          from pg_inherits as link
          join pg_class as child on child.oid = link.inhrelid
         where link.inhparent = 'forgeq.finished_jobs'::regclass and child.relname <> 'finished_jobs_default'
      ) as part on true
     order by part.name`)
  const partitions = rows.flatMap(({ name, bounds }) => {
    const days = /FROM \('(\d{4}-\d\d-\d\d)'\) TO \('(\d{4}-\d\d-\d\d)'\)/.exec(bounds ?? '')
    return name && days ? [{ name, from: days[1]!, to: days[2]! }] : []
  })
  return { today: rows[0]!.today, partitions }
}

/** While so many are moved, ends of jobs wait. */
const MOST_MOVED = 20_000

const quoted = (name: string) => `"${name.replaceAll('"', '""')}"`
const day = (text: string) => {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) throw new TypeError(`not a day: ${text}`)
  return `'${text}'`
}

/** A statement whose names cannot be bound: built from days that were checked and names that were quoted. */
const definition = (name: string, text: string) => ({ name, text: `/* ${name} */ ${text}`, values: [], prepared: '' })

/**
 * Makes the partition of `from` up to, but without, `to`: first as a table of its own, then attached, which takes no
 * exclusive lock on the parent (`create … partition of` would wait for every open reader, and each finish for it).
 * Rows of those days that lie in the default partition move into it; with them there it could not be attached. False: they
 * are too many to be moved, and go one by one when their day is over.
 */
export async function addPartition(db: Database, { name, from, to }: Partition): Promise<boolean> {
  const table = `forgeq.${quoted(name)}`
  await db.query(definition('forgeq:partition_lock_timeout', `set local lock_timeout = '100ms'`))
  const [{ n }] = (await db.query<{ n: number }>(
    definition(
      'forgeq:rows_of_partition',
      `select count(*)::int as n
         from (select from forgeq.finished_jobs_default
                where delete_after >= ${day(from)} and delete_after < ${day(to)}
                limit ${MOST_MOVED + 1}) as lying`,
    ),
  )) as [{ n: number }]
  if (n > MOST_MOVED) return false
  // Should jobs end on those days just now, no row may come in between the move and the attaching.
  if (n > 0)
    await db.query(
      definition(
        'forgeq:lock_default_partition',
        `lock table forgeq.finished_jobs_default in share row exclusive mode`,
      ),
    )
  await db.query(
    definition(
      'forgeq:create_partition',
      `create table ${table} (like forgeq.finished_jobs including defaults including constraints)`,
    ),
  )
  await db.query(
    definition(
      'forgeq:fill_partition',
      `with moved as (
         delete from forgeq.finished_jobs_default where delete_after >= ${day(from)} and delete_after < ${day(to)} returning *
       )
       insert into ${table} select * from moved`,
    ),
  )
  // A valid check spares attaching a scan of the new table; the default partition is small and scanned.
  await db.query(
    definition(
      'forgeq:bound_partition',
      `alter table ${table} add constraint days check (delete_after >= ${day(from)} and delete_after < ${day(to)} and delete_after is not null)`,
    ),
  )
  await db.query(
    definition(
      'forgeq:attach_partition',
      `alter table forgeq.finished_jobs attach partition ${table} for values from (${day(from)}) to (${day(to)})`,
    ),
  )
  return true
}

/** Drops a partition whose last day is over. Gives up after 100 ms behind an open reader; the next pass tries again. */
export async function dropPartition(db: Database, { name }: Partition): Promise<void> {
  await db.query(definition('forgeq:drop_lock_timeout', `set local lock_timeout = '100ms'`))
  await db.query(definition('forgeq:drop_partition', `drop table forgeq.${quoted(name)}`))
}

/** Takes what is over its day out of the default partition. Returns how many. */
export async function pruneDefaultPartition(db: Database, { limit }: { limit: number }): Promise<number> {
  const rows = await db.query(sql`
    /* forgeq:prune_default_partition */
    with over as materialized (
      select id, delete_after
        from forgeq.finished_jobs_default
       where delete_after < (clock_timestamp() at time zone 'utc')::date
       limit ${limit}
         for update skip locked
    )
    delete from forgeq.finished_jobs_default as job using over where job.id = over.id and job.delete_after = over.delete_after
    returning 1`)
  return rows.length
}
