import { error, FAILS } from '../story.ts'
import type { Bend } from './bend.ts'

/** What a run sends after a newer one has started, and takes effect. */
export const LATE_OUTCOME_BENDS: readonly Bend[] = [
  [
    'I7',
    'the value of a late run completes the job in the name of the newer one',
    (s, bent) => {
      s.enqueue('a')
      s.start('a', 1)
      s.start('a', 2)
      s.end('a', 1)
      s.end('a', 2)
      s.export('a', { result: { token: bent ? 1 : 2 }, attempts: [s.run('a', 2, 'completed')] })
    },
  ],
  [
    'I7',
    'a late run completes the job while the newer one goes on',
    (s, bent) => {
      s.enqueue('a')
      s.start('a', 1)
      s.start('a', 2)
      s.end('a', 1)
      const run = s.run('a', 2, 'completed')
      s.wait(100)
      s.end('a', 2)
      s.export('a', { attempts: [bent ? run : s.run('a', 2, 'completed')] })
    },
  ],
  [
    'I7',
    'a job completes by a run that has not ended',
    (s, bent) => {
      s.enqueue('a')
      s.start('a', 1)
      s.start('a', 2)
      s.end('a', 1)
      if (!bent) s.end('a', 2)
      s.export('a', { attempts: [s.run('a', 2, 'completed')] })
    },
  ],
  [
    'I7',
    'a job completes by a run that threw',
    (s, bent) => {
      s.enqueue('a')
      s.start('a', 1)
      s.end('a', 1, bent ? 'threw' : 'returned')
      s.export('a', { attempts: [s.run('a', 1, 'completed')] })
    },
  ],
  [
    'I7',
    'another worker than the one that ran it completes it',
    (s, bent) => {
      s.enqueue('a')
      s.start('a', 1, { worker: 'worker-1' })
      s.start('a', 2, { worker: 'worker-2' })
      s.end('a', 1)
      s.end('a', 2)
      s.export('a', {
        attempts: [s.run('a', 2, 'completed', { worker: { id: 's', name: bent ? 'worker-1' : 'worker-2' } })],
      })
    },
  ],
  [
    'I7',
    'the error of a late run fails the newer one',
    (s, bent) => {
      s.enqueue('a', { work: FAILS })
      s.start('a', 1)
      s.start('a', 2)
      s.end('a', 1, 'threw')
      s.end('a', 2, 'threw')
      const failed = s.run('a', 2, 'failed', { error: error(`told to fail (token ${bent ? 1 : 2})`) })
      s.start('a', 3)
      s.end('a', 3)
      s.export('a', { attempts: [failed, s.run('a', 3, 'completed')] })
    },
  ],
  [
    'I7',
    'a run is recorded as failed after a newer one has started',
    (s, bent) => {
      s.enqueue('a', { work: FAILS })
      s.start('a', 1)
      s.end('a', 1, 'threw')
      const before = s.now
      s.wait(100)
      s.start('a', 2)
      s.end('a', 2)
      s.export('a', { attempts: [s.run('a', 1, 'failed', { at: bent ? s.now : before }), s.run('a', 2, 'completed')] })
    },
  ],
  [
    'I7',
    'progress shows that was sent after a newer run had started',
    (s, bent) => {
      s.enqueue('a')
      s.start('a', 1)
      const before = s.now
      s.start('a', 2)
      s.sample('a', { state: 'running', progress: { value: 1, message: `token 1 at ${bent ? s.now : before}` } })
      s.end('a', 2)
      s.export('a', { attempts: [s.run('a', 2, 'completed')] })
    },
  ],
]
