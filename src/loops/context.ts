import type { Logger } from 'pino'
import type { DatabasePool } from '../store/database.ts'
import type { Keeping } from '../store/history.ts'
import type { Lookout } from '../store/lookout.ts'

/** What the loops work with. */
export interface LoopContext {
  db: DatabasePool
  lookout: Lookout
  log: Logger
  keeping: Keeping
  recoveryIntervalMs: number
  /** Tells workers that jobs of these queues are ready. Never throws. */
  wakeWorkers(queues: Iterable<string>): void
  onHandled?(name: string, handled: number): void
}
