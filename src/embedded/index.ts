import { bringUp, type EmbeddedConnection, type EmbeddedOptions } from './bring-up.ts'
import { embeddedFailed } from './failures.ts'
import { ensureKeeper } from './keeper.ts'
import { leaveUser, touchUser } from './users.ts'

export type { EmbeddedConnection, EmbeddedOptions } from './bring-up.ts'

export interface EmbeddedPostgres {
  /** What a driver needs to connect: `host` is the socket's folder or 127.0.0.1. */
  readonly connection: EmbeddedConnection
  /** true when this call made the cluster (initdb) */
  readonly created: boolean
  /**
   * Starts the server again when it is gone (killed, say), or finds it running. Safe when several processes call it at once.
   * @throws {ForgeQError} `embedded_failed`
   */
  readonly ensureRunning: () => Promise<void>
  /** This process no longer uses the database; it stops 10 to 30 s after the last user left. Safe twice. */
  readonly release: () => Promise<void>
}

const LOOK_MS = 5_000

/**
 * Makes (first time), starts or adopts the PostgreSQL of `dataDir` and enters this process as a user of it. However many
 * processes call it, whatever was killed before, there is one server and one cluster on the folder; when the promise
 * resolves, it takes connections.
 *
 * @throws {ForgeQError} `embedded_failed`, whose `hint` says what to do
 */
export async function openEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { place, lingerMs, created, connection, user } = await bringUp(options)
  // A keeper that was killed is missed by nobody until it is needed, so its users look after it.
  const look = setInterval(() => {
    try {
      touchUser(user)
      ensureKeeper(place, lingerMs)
    } catch {
      // the folder is gone, or its disk full: the next look may find it better
    }
  }, LOOK_MS)
  look.unref()
  let released = false
  return {
    connection,
    created,
    async ensureRunning() {
      if (released) throw embeddedFailed(`the embedded PostgreSQL of ${options.dataDir} has been released`)
      const again = await bringUp(options)
      Object.assign(connection, again.connection)
      touchUser(user)
      leaveUser(again.user)
    },
    async release() {
      if (released) return
      released = true
      clearInterval(look)
      leaveUser(user)
      ensureKeeper(place, lingerMs)
    },
  }
}
