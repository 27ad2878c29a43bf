import { error, FAILS, LOST } from '../story.ts'
import type { Bend } from './bend.ts'

/** More runs and losses than a job may have. */
export const ATTEMPT_BENDS: readonly Bend[] = [
  [
    'I9',
    'a run starts beyond the last one',
    (s, bent) => {
      s.enqueue('a', { work: FAILS })
      const runs = [1, 2, 3].map((token) => {
        s.start('a', token)
        s.end('a', token, 'threw')
        return s.run('a', token, token === 3 ? 'dead' : 'failed', { error: error('no') })
      })
      if (bent) s.start('a', 4)
      s.export('a', bent ? { state: 'cancelled' } : { state: 'dead', reason: 'attempts spent', attempts: runs })
    },
  ],
  [
    'I9',
    'a life has more counted runs than it may have',
    (s, bent) => {
      s.enqueue('a', { work: FAILS, maxAttempts: bent ? 2 : 3 })
      const runs = [1, 2, 3].map((token) => {
        s.start('a', token, { attempt: bent ? Math.min(token, 2) : token })
        s.end('a', token, 'threw')
        return s.run('a', token, token === 3 ? 'dead' : 'failed', {
          attempt: bent ? Math.min(token, 2) : token,
          error: error('no'),
        })
      })
      s.export('a', { state: 'dead', reason: 'attempts spent', max_attempts: bent ? 2 : 3, attempts: runs })
    },
  ],
  [
    'I9',
    'a job is in a run beyond its maximum',
    (s, bent) => {
      s.enqueue('a')
      s.sample('a', { state: 'running', attempt: bent ? 4 : 3, attempts: [] })
      s.export('a', { state: 'cancelled' })
    },
  ],
  [
    'I9',
    'a job is lost a fourth time',
    (s, bent) => {
      s.enqueue('a', { maxAttempts: 10 })
      const tokens = bent ? [1, 2, 3, 4] : [1, 2, 3]
      const runs = tokens.map((token) => {
        s.start('a', token)
        s.wait(50)
        return s.run('a', token, token === tokens.length ? 'dead' : 'lost', { error: LOST })
      })
      s.export('a', {
        state: 'dead',
        reason: 'lost',
        lost: tokens.length,
        max_attempts: 10,
        attempts: runs,
        error: LOST,
      })
    },
  ],
  [
    'I9',
    'a job goes on after its third loss',
    (s, bent) => {
      s.enqueue('a', { maxAttempts: 10 })
      const tokens = bent ? [1, 2, 3] : [1, 2]
      const lost = tokens.map((token) => {
        s.start('a', token)
        s.wait(50)
        return s.run('a', token, 'lost', { error: LOST })
      })
      const last = tokens.length + 1
      s.start('a', last)
      s.end('a', last)
      s.export('a', { lost: lost.length, max_attempts: 10, attempts: [...lost, s.run('a', last, 'completed')] })
    },
  ],
  [
    'I9',
    'a job waits again after its third loss',
    (s, bent) => {
      s.enqueue('a', { maxAttempts: 10 })
      s.sample('a', { state: 'retrying', lost: bent ? 3 : 2, max_attempts: 10, attempts: [] })
      s.export('a', { state: 'cancelled', max_attempts: 10 })
    },
  ],
  [
    'I9',
    'the maximum grows although nobody retried',
    (s, bent) => {
      s.enqueue('a')
      s.start('a', 1)
      s.end('a', 1)
      s.export('a', {
        max_attempts: bent ? 4 : 3,
        attempts: [s.run('a', 1, 'completed', bent ? { attempt: 2 } : {})],
        attempt: bent ? 2 : 1,
      })
    },
  ],
]
