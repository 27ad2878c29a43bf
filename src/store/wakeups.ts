import type { Connection, Database } from './database.ts'
import { sql } from './sql.ts'

/** A hint and nothing more: whoever misses it finds the work by looking once a second. */
export interface WakeUp {
  /** What may have changed: there is something to lease, a due time has come nearer, a job has ended. */
  kind: 'pending' | 'due' | 'ended' | 'paused'
  queues: string[]
}

const CHANNEL = 'forgeq'
const MAX_PAYLOAD = 7_000 // Postgres takes 8,000 bytes

/**
 * Sends one hint. Outside any transaction: a notify takes a lock of the whole database when it commits. Its commit waits
 * for no flush to disk: a hint that a crash swallows is one that was missed, and flushes are what enqueues wait for.
 */
export async function sendWakeUp(db: Database, { kind, queues }: WakeUp): Promise<void> {
  const payload = JSON.stringify([kind, ...queues])
  await db.query(sql`
    /* forgeq:send_wake_up */
    select set_config('synchronous_commit', 'off', true), pg_notify(${CHANNEL}, ${Buffer.byteLength(payload) > MAX_PAYLOAD ? JSON.stringify([kind]) : payload})`)
}

/** Listens on a connection of its own until that closes. */
export async function listenForWakeUps(connection: Connection, listener: (wakeUp: WakeUp) => void): Promise<void> {
  connection.onNotification((channel, payload) => {
    if (channel !== CHANNEL) return
    try {
      const [kind, ...queues] = JSON.parse(payload) as [WakeUp['kind'], ...string[]]
      listener({ kind, queues })
    } catch {
      // Anybody may notify; what is not ours to read is no hint.
    }
  })
  await connection.query({
    name: 'forgeq:listen',
    text: `/* forgeq:listen */ listen ${CHANNEL}`,
    values: [],
    prepared: '',
  })
}
