import { FAILS, LOST } from '../story.ts'
import type { Bend } from './bend.ts'

/** Tokens that do not grow, and two of one life that both complete. */
export const TOKEN_BENDS: readonly Bend[] = [
  [
    'I5',
    'a token is given to two claims',
    (s, bent) => {
      s.enqueue('a')
      s.start('a', 1)
      if (bent) s.start('a', 1, { attempt: 2 })
      s.end('a', 1)
      s.export('a', { attempts: [s.run('a', 1, 'completed')] })
    },
  ],
  [
    'I5',
    'a later run has a lower token',
    (s, bent) => {
      s.enqueue('a', { work: FAILS })
      s.start('a', 5, { attempt: 1 })
      s.end('a', 5, 'threw')
      s.start('a', bent ? 4 : 6, { attempt: 2 })
      if (!bent) s.end('a', 6)
      s.export(
        'a',
        bent
          ? { state: 'cancelled' }
          : { attempts: [s.run('a', 5, 'failed', { attempt: 1 }), s.run('a', 6, 'completed', { attempt: 2 })] },
      )
    },
  ],
  [
    'I5',
    'the runs of a job stand there with tokens that do not grow',
    (s, bent) => {
      s.enqueue('a', { work: FAILS })
      const runs = [1, 2].map((token) => {
        s.start('a', token)
        s.end('a', token, 'threw')
        return s.run('a', token, 'failed')
      })
      s.export('a', { state: 'cancelled', attempts: bent ? runs.toReversed() : runs })
    },
  ],
  [
    'I5',
    'a token goes back in one process, in a run of the same number',
    (s, bent) => {
      s.enqueue('a')
      for (const token of bent ? [5, 4] : [4, 5]) {
        s.start('a', token, { attempt: 1 })
        s.end('a', token, 'threw')
      }
      s.export('a', { state: 'cancelled' })
    },
  ],
  [
    'I5',
    'a token goes back from one look to the next, in a run of the same number',
    (s, bent) => {
      s.enqueue('a')
      s.sample('a', { state: 'running', attempts: [s.run('a', bent ? 5 : 3, 'running', { attempt: 1 })] })
      s.start('a', 4, { attempt: 1 })
      s.end('a', 4)
      s.export('a', { attempts: [s.run('a', 4, 'completed', { attempt: 1 })] })
    },
  ],
  [
    'I6',
    'two runs of one life are recorded as completed',
    (s, bent) => {
      s.enqueue('a')
      s.start('a', 1)
      s.end('a', 1)
      const first = s.run('a', 1, bent ? 'completed' : 'lost', { error: LOST })
      s.start('a', 2)
      s.end('a', 2)
      s.export('a', { attempts: [first, s.run('a', 2, 'completed')] })
    },
  ],
  [
    'I6',
    'one look sees one run completed, the next another',
    (s, bent) => {
      s.enqueue('a')
      for (const token of [1, 2]) {
        s.start('a', token)
        s.end('a', token)
      }
      s.sample('a', {
        state: 'running',
        attempts: [s.run('a', 1, bent ? 'completed' : 'released'), s.run('a', 2, 'running')],
      })
      s.export('a', { attempts: [s.run('a', 2, 'completed')] })
    },
  ],
]
