import { error, FAILS, instant } from '../story.ts'
import type { Bend } from './bend.ts'

/** Ends that do not stay. */
export const FINAL_STATE_BENDS: readonly Bend[] = [
  [
    'I10',
    'a completed job is completed again at another time',
    (s, bent) => {
      s.enqueue('a')
      s.start('a', 1)
      s.end('a', 1)
      const first = s.run('a', 1, 'completed')
      s.sample('a', { attempts: [first] })
      s.export('a', { attempts: [bent ? s.run('a', 1, 'completed', { at: s.now }) : first] })
    },
  ],
  [
    'I10',
    'a cancelled job is dead at the end',
    (s, bent) => {
      s.enqueue('a', { work: FAILS })
      s.start('a', 1)
      s.end('a', 1, 'threw')
      const dead = {
        state: 'dead',
        reason: 'not retryable',
        attempts: [s.run('a', 1, 'dead', { error: error('no') })],
      } as const
      s.sample('a', bent ? { state: 'cancelled' } : { ...dead, attempts: [...dead.attempts] })
      s.export('a', { ...dead, attempts: [...dead.attempts] })
    },
  ],
  [
    'I10',
    'a cancelled job waits again',
    (s, bent) => {
      s.enqueue('a')
      const end = { state: 'cancelled', finished_at: instant(s.now) } as const
      s.sample('a', bent ? end : { state: 'pending' })
      s.sample('a', { state: 'pending' })
      s.export('a', end)
    },
  ],
  [
    'I10',
    'a job runs after it has completed',
    (s, bent) => {
      s.enqueue('a')
      s.start('a', 1)
      s.end('a', 1)
      const attempts = [s.run('a', 1, 'completed')]
      if (bent) s.start('a', 2)
      s.export('a', { attempts })
    },
  ],
]
