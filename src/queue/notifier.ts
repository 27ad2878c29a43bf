import type { Database } from '../store/database.ts'
import { sendWakeUp, type WakeUp } from '../store/wakeups.ts'

export interface Notifier {
  /** Tells workers and loops, soon and at most once for many calls, that there may be something to do. Never throws. */
  wake(kind: WakeUp['kind'], queue: string): void
  /** Sends what is still to be said. */
  flush(): Promise<void>
}

/** The first call goes out at once; those that follow within this time go out together after it. */
const SPACING_MS = 5

/**
 * Wake-ups after the commit, coalesced: NOTIFY takes a lock of the whole database when it commits. A hint that is lost
 * costs at most the second until the next look.
 */
export function createNotifier(db: Database): Notifier {
  const due = new Map<WakeUp['kind'], Set<string>>()
  let timer: NodeJS.Timeout | undefined
  let sending: Promise<void> = Promise.resolve()
  let lastSent = 0

  function send(): void {
    clearTimeout(timer)
    timer = undefined
    lastSent = performance.now()
    const hints = [...due].map(([kind, queues]) => ({ kind, queues: [...queues] }))
    due.clear()
    sending = Promise.all(hints.map((hint) => sendWakeUp(db, hint))).then(
      () => {},
      () => {}, // whoever misses it looks once a second
    )
  }

  return {
    wake(kind, queue) {
      const queues = due.get(kind) ?? new Set()
      due.set(kind, queues.add(queue))
      if (timer) return
      const waitMs = SPACING_MS - (performance.now() - lastSent)
      if (waitMs <= 0) send()
      else timer = setTimeout(send, waitMs)
    },
    async flush() {
      if (due.size > 0) send()
      await sending
    },
  }
}
