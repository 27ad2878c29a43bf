import type { DatabasePool } from './store/database.ts'
import { createListener, type Listener } from './store/listener.ts'
import { createLookout, type Lookout } from './store/lookout.ts'

/** What the workers of one client share: one connection that listens, one look a second, one set of loops. */
export interface Background {
  readonly lookout: Lookout
  /** Listens until as many have closed it as have asked for it. */
  listen(): Listener
  /** Runs the loops of the first that has joined and not left; `start` returns what stops them. Returns what leaves. */
  join(start: () => () => Promise<void>): () => Promise<void>
}

type Start = () => () => Promise<void>

export function createBackground(pool: DatabasePool): Background {
  let listener: Listener | undefined
  let listening = 0
  const members: Start[] = []
  let stopFirst: (() => Promise<void>) | undefined

  return {
    lookout: createLookout(pool),
    listen() {
      const shared = (listener ??= createListener(pool))
      listening++
      let closed = false
      return {
        subscribe: (hear) => shared.subscribe(hear),
        async close() {
          if (closed) return
          closed = true
          if (--listening > 0) return
          listener = undefined
          await shared.close()
        },
      }
    },
    join(start) {
      const member: Start = () => start() // the same may join twice
      members.push(member)
      if (members.length === 1) stopFirst = member()
      return async () => {
        const place = members.indexOf(member)
        if (place < 0) return
        members.splice(place, 1)
        if (place > 0) return
        const stop = stopFirst
        stopFirst = members[0]?.() // beside the last pass of the other: that is safe
        await stop?.()
      }
    },
  }
}
