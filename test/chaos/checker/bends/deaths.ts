import { error, FAILS, LOST, type Story } from '../story.ts'
import type { Bend } from './bend.ts'

const lostThrice = (s: Story) =>
  [1, 2, 3].map((token) => {
    s.wait(1_500)
    return s.run('a', token, token === 3 ? 'dead' : 'lost', { error: LOST })
  })

/** Deaths without a failed or lost run of that life. */
export const DEATH_BENDS: readonly Bend[] = [
  [
    'I12',
    'a job is dead although no run of it failed or was lost',
    (s, bent) => {
      s.enqueue('a', { work: FAILS })
      s.start('a', 1)
      s.end('a', 1, 'threw')
      s.export('a', {
        state: 'dead',
        reason: 'attempts spent',
        attempts: bent ? [] : [s.run('a', 1, 'dead', { error: error('no') })],
      })
    },
  ],
  [
    'I12',
    'a job is dead by a run that returned',
    (s, bent) => {
      s.enqueue('a', { work: FAILS })
      s.start('a', 1)
      s.end('a', 1, bent ? 'returned' : 'threw')
      s.export('a', {
        state: 'dead',
        reason: 'attempts spent',
        attempts: [s.run('a', 1, 'dead', { error: error('no') })],
      })
    },
  ],
  [
    'I12',
    'a job is dead by a run that never was',
    (s, bent) => {
      s.enqueue('a', { work: FAILS })
      if (!bent) {
        s.start('a', 1)
        s.end('a', 1, 'threw')
      }
      s.export('a', {
        state: 'dead',
        reason: 'attempts spent',
        attempts: [s.run('a', 1, 'dead', { error: error('no') })],
      })
    },
  ],
  [
    'I12',
    'a job that was lost once is dead by a run that returned',
    (s, bent) => {
      s.enqueue('a', { work: FAILS, maxAttempts: 2 })
      s.start('a', 1)
      s.wait(1_500)
      const lost = s.run('a', 1, 'lost', { error: LOST })
      s.start('a', 2)
      s.end('a', 2, bent ? 'returned' : 'threw')
      const last = s.run('a', 2, 'dead', { error: error('no') })
      s.export('a', { state: 'dead', reason: 'attempts spent', lost: 1, max_attempts: 2, attempts: [lost, last] })
    },
  ],
  [
    'I12',
    'a job is dead by losses although no handler ever saw it',
    (s, bent) => {
      s.enqueue('a')
      if (!bent) s.start('a', 1)
      s.export('a', { state: 'dead', reason: 'lost', lost: 3, error: LOST, attempts: lostThrice(s) })
    },
  ],
  [
    'I12',
    'a life that a retry began is dead by the failure of the life before',
    (s, bent) => {
      s.enqueue('a', { work: FAILS, maxAttempts: 1 })
      s.start('a', 1)
      s.end('a', 1, 'threw')
      const first = s.run('a', 1, 'dead', { error: error('no') })
      s.act('retry', 'a')
      s.start('a', 2)
      s.end('a', 2, 'threw')
      const second = s.run('a', 2, 'dead', { error: error('no') })
      s.export('a', {
        state: 'dead',
        reason: 'attempts spent',
        max_attempts: 2,
        attempt: 2,
        attempts: bent ? [first] : [first, second],
      })
    },
  ],
]
