import { pino } from 'pino'
import { DEFAULTS } from '../../src/config.ts'
import type { LoopContext } from '../../src/loops/index.ts'
import { keepingOf } from '../../src/queue/create.ts'
import type { DatabasePool } from '../../src/store/database.ts'
import { createLookout } from '../../src/store/lookout.ts'

/** What a loop works with, at the defaults and in silence. */
export const loopContext = (db: DatabasePool, fields: Partial<LoopContext> = {}): LoopContext => ({
  db,
  lookout: createLookout(db),
  log: pino({ level: 'silent' }),
  keeping: keepingOf(DEFAULTS),
  recoveryIntervalMs: 3_000,
  wakeWorkers() {},
  ...fields,
})
