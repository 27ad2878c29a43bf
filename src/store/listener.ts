import { setTimeout as sleep } from 'node:timers/promises'
import type { Connection, DatabasePool } from './database.ts'
import { waitAtMost } from './wait-at-most.ts'
import { listenForWakeUps, type WakeUp } from './wakeups.ts'

export interface Listener {
  /** Returns what unsubscribes. */
  subscribe(listener: (wakeUp: WakeUp) => void): () => void
  close(): Promise<void>
}

const RECONNECT_MS = 1_000
const CLOSE_MS = 300

/**
 * Keeps one connection listening for hints, for everything in this process. Where LISTEN is not to be had, or while the
 * database is away, nothing comes: everybody looks once a second anyhow.
 */
export function createListener(db: DatabasePool): Listener {
  const listeners = new Set<(wakeUp: WakeUp) => void>()
  const stopping = new AbortController()
  let connection: Connection | undefined

  async function keepListening(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        const opened = await db.connect('wake-ups')
        connection = opened
        const ended = new Promise<void>((resolve) => opened.onEnd(resolve))
        await listenForWakeUps(opened, (wakeUp) => {
          for (const listener of listeners) listener(wakeUp)
        })
        if (stopping.signal.aborted) break
        await ended
      } catch {
        // looked at once a second all the same
      }
      await sleep(RECONNECT_MS, undefined, { signal: stopping.signal }).catch(() => {})
    }
    await connection?.close().catch(() => {})
  }

  let running: Promise<void> | undefined
  return {
    subscribe(listener) {
      listeners.add(listener)
      running ??= keepListening()
      return () => void listeners.delete(listener)
    },
    async close() {
      stopping.abort()
      await connection?.close().catch(() => {})
      // A connection that is just being made and is not answered ends by itself.
      if (running) await waitAtMost(CLOSE_MS, running)
    },
  }
}
