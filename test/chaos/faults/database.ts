import type pg from 'pg'
import { APP } from '../postgres.ts'
import { oneOf } from '../random.ts'
import { LEASE_MS } from '../settings.ts'
import type { Fault, Occurrence } from './fault.ts'
import { attempt, insist } from './sessions.ts'

const OURS = `select pid from pg_stat_activity
               where usename = '${APP}' and backend_type = 'client backend' and application_name not like 'chaos-%'`
const endOurs = (client: pg.Client) => client.query(`select pg_terminate_backend(pid) from (${OURS}) as ours`)

/** Again and again for as long as the fault lasts. */
async function repeatedly({ ms, wait }: Occurrence, everyMs: number, work: () => Promise<unknown>): Promise<void> {
  const until = performance.now() + ms
  while (performance.now() < until) {
    await work()
    const before = performance.now()
    await wait(everyMs)
    if (performance.now() - before < everyMs / 2) return // cut short
  }
}

const terminateSessions: Fault = {
  name: 'sessions-terminate',
  takes: 'sessions',
  targets: [],
  lastsMs: [2_000, 8_000],
  hinders: true,
  run: (occurrence) => repeatedly(occurrence, 500, () => attempt(occurrence.world.postgres, endOurs)),
}

/** Each statement of ours is in danger for as long as it lasts: a look every 2 ms, from inside the database. */
const CANCELLING = `do $$
  begin
    for look in 1..200 loop
      perform pg_stat_clear_snapshot();
      perform pg_cancel_backend(pid) from (${OURS} and state = 'active' and random() < 0.3) as ours;
      perform pg_sleep(0.002);
    end loop;
  end $$`

const cancelStatements: Fault = {
  name: 'statements-cancel',
  takes: 'sessions',
  targets: [],
  lastsMs: [3_000, 10_000],
  hinders: true,
  run: (occurrence) =>
    repeatedly(occurrence, 5, () => attempt(occurrence.world.postgres, (client) => client.query(CANCELLING))),
}

/**
 * What is set for a role counts for new sessions: so they get new ones, at the beginning and at the end. The product's own
 * set these limits for themselves as they connect, so it is not hindered: they reach what its handlers connect themselves.
 */
const roleSetting = (
  name: string,
  setting: string,
  values: readonly string[],
  during: (occurrence: Occurrence) => Promise<void>,
): Fault => ({
  name,
  takes: 'role',
  targets: [],
  lastsMs: [3_000, 8_000],
  async run(occurrence) {
    const { postgres } = occurrence.world
    const value = oneOf(occurrence.random, values)
    try {
      await insist(postgres, async (client) => {
        await client.query(`alter role ${APP} set ${setting} = '${value}'`)
        await endOurs(client)
      })
      await during(occurrence)
    } finally {
      await insist(postgres, async (client) => {
        await client.query(`alter role ${APP} reset ${setting}`)
        await endOurs(client)
      })
    }
  },
})

/** Somebody else's short transactions: nearly always some job is locked. */
const contend = (occurrence: Occurrence): Promise<void> =>
  repeatedly(occurrence, 20, () =>
    attempt(occurrence.world.postgres, async (client) => {
      await client.query('begin')
      await client.query('select from forgeq.jobs order by random() limit 200 for update skip locked')
      await occurrence.wait(100)
      await client.query('rollback')
    }),
  )

const readOnly: Fault = {
  name: 'read-only',
  takes: 'role',
  targets: [],
  lastsMs: [2_000, 8_000],
  hinders: true,
  async run({ world: { postgres }, ms, wait }) {
    // For the sessions that there are, too, as when a primary is about to be replaced.
    const set = (what: string) =>
      insist(postgres, async (client) => {
        await client.query('set default_transaction_read_only = off')
        await client.query(`alter system ${what}`)
        await client.query('select pg_reload_conf()')
      })
    try {
      await set('set default_transaction_read_only = on')
      await wait(ms)
    } finally {
      await set('reset default_transaction_read_only')
    }
  },
}

const exhaustConnections: Fault = {
  name: 'connections-exhausted',
  takes: 'sessions',
  targets: [],
  lastsMs: [3_000, 8_000],
  hinders: true,
  async run(occurrence) {
    const { postgres } = occurrence.world
    const taken: pg.Client[] = []
    const takeAll = async () => {
      for (let left = true; left;) {
        const clients = await Promise.allSettled(Array.from({ length: 10 }, () => postgres.app(2_000)))
        for (const client of clients) if (client.status === 'fulfilled') taken.push(client.value)
        left = clients.every(({ status }) => status === 'fulfilled')
      }
    }
    try {
      // Whoever is quicker has the connection that has become free; after a few rounds all are taken.
      await repeatedly(occurrence, 100, async () => {
        await takeAll()
        await attempt(postgres, endOurs)
        await takeAll()
      })
    } finally {
      await Promise.all(taken.map((client) => client.end().catch(() => {})))
    }
  },
}

/** Holds a session with an open transaction that has done this; where another fault ends the session, so it does this one. */
const openTransaction = (fault: Omit<Fault, 'run'>, statements: readonly string[]): Fault => ({
  ...fault,
  async run({ world: { postgres }, ms, wait }) {
    let client: pg.Client | undefined
    try {
      await insist(postgres, async (next, keep) => {
        for (const statement of statements) await next.query(statement)
        client = keep()
      })
      await wait(ms)
    } finally {
      await client?.end().catch(() => {})
    }
  },
})

/** Hinders nobody but who wants these rows: which they are the observer sees. */
const lockRows = openTransaction({ name: 'rows-locked', takes: 'rows', targets: [], lastsMs: [2_000, 10_000] }, [
  'begin',
  `select from forgeq.jobs where state in ('pending', 'scheduled', 'retrying') order by seq limit 200 for update skip locked`,
  `select from forgeq.jobs where state = 'running' order by random() limit 5 for update skip locked`,
])

const lockTable = openTransaction(
  { name: 'table-locked', takes: 'rows', targets: [], lastsMs: [LEASE_MS / 2, 20_000], hinders: true },
  ['begin', 'lock table forgeq.jobs in access exclusive mode'],
)

const openSnapshot = openTransaction(
  { name: 'snapshot-open', takes: 'background', targets: [], lastsMs: [20_000, 60_000] },
  ['begin isolation level repeatable read', 'select count(*) from forgeq.jobs'],
)

/** What others do to the product's sessions and rows inside the database. */
export const DATABASE_FAULTS: readonly Fault[] = [
  terminateSessions,
  cancelStatements,
  roleSetting('statement-timeout', 'statement_timeout', ['1ms', '2ms', '5ms'], ({ ms, wait }) => wait(ms)),
  roleSetting('lock-timeout', 'lock_timeout', ['1ms', '3ms'], contend),
  readOnly,
  exhaustConnections,
  lockRows,
  lockTable,
  openSnapshot,
]
