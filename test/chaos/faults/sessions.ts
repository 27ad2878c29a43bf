import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import type { Postgres } from '../postgres.ts'

/**
 * Does it on a connection of the harness's own, again until it is done: what was broken has to be made whole. The
 * connection ends with it, unless it is kept.
 */
export async function insist(
  postgres: Postgres,
  work: (client: pg.Client, keep: () => pg.Client) => Promise<unknown>,
): Promise<void> {
  const giveUpAt = performance.now() + 90_000
  for (;;) {
    let client: pg.Client | undefined
    let kept: pg.Client | undefined
    try {
      const opened = (client = await postgres.admin())
      await work(opened, () => (kept = opened))
      return
    } catch (error) {
      kept = undefined
      if (performance.now() > giveUpAt) throw error
      await sleep(200)
    } finally {
      if (!kept) void client?.end().catch(() => {})
    }
  }
}

/** Whether it could be done; false when the database is away just now. */
export async function attempt(postgres: Postgres, work: (client: pg.Client) => Promise<unknown>): Promise<boolean> {
  let client: pg.Client | undefined
  try {
    client = await postgres.admin()
    await work(client)
    return true
  } catch {
    return false
  } finally {
    void client?.end().catch(() => {})
  }
}
