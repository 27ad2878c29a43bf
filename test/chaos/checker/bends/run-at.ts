import { FAILS, instant } from '../story.ts'
import type { Bend } from './bend.ts'

/** Starts before their time. */
export const RUN_AT_BENDS: readonly Bend[] = [
  [
    'I11',
    'a delayed job starts before its delay is over',
    (s, bent) => {
      s.enqueue('a', { delayMs: 1_000 })
      s.wait(bent ? 900 : 1_000)
      s.completes('a')
    },
  ],
  [
    'I11',
    'a job starts before the instant that it was asked for',
    (s, bent) => {
      s.enqueue('a', { runAt: instant(s.now + 1_000) })
      s.wait(bent ? 900 : 1_000)
      s.completes('a')
    },
  ],
  [
    'I11',
    'a failed job runs again before the pause that was seen is over',
    (s, bent) => {
      s.enqueue('a', { work: FAILS })
      s.start('a', 1)
      s.end('a', 1, 'threw')
      const failed = s.run('a', 1, 'failed')
      s.sample('a', { state: 'retrying', run_at: instant(s.now + 1_000), attempts: [failed] })
      s.wait(bent ? 900 : 1_000)
      s.start('a', 2)
      s.end('a', 2)
      s.export('a', { attempts: [failed, s.run('a', 2, 'completed')] })
    },
  ],
]
