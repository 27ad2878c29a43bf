import { describe, expect, test } from 'vitest'
import { check } from './checker/check.ts'
import { error, FAILS, instant, LIMITS, LOST, PROCESS_LOST, Story, TX } from './checker/story.ts'

const LEGAL: [what: string, tell: (story: Story) => void][] = [
  [
    'an enqueue without an answer that was stored, and one that was not',
    (s) => {
      s.enqueue('a', { answer: 'unknown' })
      s.enqueue('b', { answer: 'none' })
      s.completes('a')
    },
  ],
  [
    'an enqueue without an answer whose payload does not say whose it is',
    (s) => {
      s.enqueue('a', { answer: 'unknown', label: 'unseen' })
      s.export('a', { payload: null })
    },
  ],
  [
    'a key whose first enqueue was refused while it was too large, and then taken',
    (s) => {
      s.enqueue('a', { key: 'k', answer: 'refused' })
      s.enqueue('a', { key: 'k' })
      s.completes('a')
    },
  ],
  [
    'a run given up for lost that returns late and is refused',
    (s) => {
      s.enqueue('a')
      s.start('a', 1)
      s.wait(1_500)
      const lost = s.run('a', 1, 'lost', { error: LOST })
      s.start('a', 2)
      s.end('a', 2)
      s.end('a', 1)
      s.tell({ kind: 'refused_outcome', job: 'a', token: 1 })
      s.export('a', { lost: 1, attempts: [lost, s.run('a', 2, 'completed')] })
    },
  ],
  [
    'two losses, then completed',
    (s) => {
      s.enqueue('a')
      const lost = [1, 2].map((token) => {
        s.start('a', token)
        s.wait(1_500)
        return s.run('a', token, 'lost', { error: LOST })
      })
      s.start('a', 3)
      s.end('a', 3)
      s.export('a', { lost: 2, attempts: [...lost, s.run('a', 3, 'completed')] })
    },
  ],
  [
    'a third loss of a job that somebody had asked to end',
    (s) => {
      s.enqueue('a')
      const runs = [1, 2, 3].map((token) => {
        s.start('a', token)
        if (token === 3) s.act('cancel', 'a')
        s.wait(1_500)
        return s.run('a', token, token === 3 ? 'cancelled' : 'lost', { error: LOST })
      })
      s.export('a', { state: 'cancelled', lost: 3, attempts: runs })
    },
  ],
  [
    'a last line of a stopped worker that comes after the newer run has started',
    (s) => {
      s.enqueue('a')
      s.start('a', 2, { attempt: 1 })
      s.start('a', 1, { attempt: 1, worker: 'worker-2' })
      s.end('a', 1)
      s.end('a', 2)
      s.export('a', { attempts: [s.run('a', 2, 'completed', { attempt: 1 })] })
    },
  ],
  [
    'a release and a snooze, which give their number back',
    (s) => {
      s.enqueue('a', { maxAttempts: 1 })
      s.start('a', 1, { attempt: 1 })
      s.end('a', 1, 'threw')
      const released = s.run('a', 1, 'released', { attempt: 1 })
      s.start('a', 2, { attempt: 1 })
      s.end('a', 2, 'threw')
      const snoozed = s.run('a', 2, 'snoozed', { attempt: 1 })
      s.sample('a', {
        state: 'scheduled',
        attempt: 0,
        run_at: instant(s.now + 400),
        max_attempts: 1,
        attempts: [released, snoozed],
      })
      s.wait(500)
      s.start('a', 3, { attempt: 1 })
      s.end('a', 3)
      s.export('a', { max_attempts: 1, attempts: [released, snoozed, s.run('a', 3, 'completed', { attempt: 1 })] })
    },
  ],
  [
    "a person's retry of a completed job, which completes again",
    (s) => {
      s.enqueue('a')
      s.start('a', 1)
      s.end('a', 1)
      const first = s.run('a', 1, 'completed')
      s.sample('a', { attempts: [first] })
      s.act('retry', 'a')
      s.start('a', 2)
      s.sample('a', { state: 'running', max_attempts: 4, attempts: [first, s.run('a', 2, 'running')] })
      s.end('a', 2)
      s.export('a', { max_attempts: 4, attempts: [first, s.run('a', 2, 'completed')] })
    },
  ],
  [
    'a new life of a dead job, with all its attempts again',
    (s) => {
      s.enqueue('a', { work: FAILS, maxAttempts: 2 })
      const runs = [1, 2, 3, 4].map((token) => {
        if (token === 3) s.act('retry', 'a')
        s.start('a', token)
        s.end('a', token, 'threw')
        return s.run('a', token, token % 2 === 0 ? 'dead' : 'failed', { error: error('no') })
      })
      s.export('a', { state: 'dead', reason: 'attempts spent', max_attempts: 4, attempts: runs })
    },
  ],
  [
    'a running job that was asked to end and completed all the same',
    (s) => {
      s.enqueue('a')
      s.start('a', 1)
      s.act('cancel', 'a')
      s.end('a', 1)
      s.export('a', { cancel_requested_at: instant(s.now), attempts: [s.run('a', 1, 'completed')] })
    },
  ],
  [
    'a job cancelled before its time',
    (s) => {
      s.enqueue('a', { delayMs: 60_000 })
      s.act('cancel', 'a')
      s.export('a', { state: 'cancelled', reason: 'cancelled' })
    },
  ],
  [
    'a delayed job that a person wants to run now',
    (s) => {
      s.enqueue('a', { delayMs: 60_000 })
      s.sample('a', { state: 'scheduled', run_at: instant(s.now + 59_000) })
      s.act('run', 'a', 'unknown')
      s.completes('a')
    },
  ],
  [
    'a commit that only the store knows of',
    (s) => {
      s.enqueue('a', { work: TX })
      s.start('a', 1)
      s.export('a', { attempts: [s.run('a', 1, 'completed')] })
      s.tell({ kind: 'effect_stored', job: 'a', token: 1 })
    },
  ],
  [
    'a commit that was acknowledged, of a job that a person retried and somebody cancelled',
    (s) => {
      s.enqueue('a', { work: TX })
      s.start('a', 1)
      s.end('a', 1, 'completed_tx')
      const first = s.run('a', 1, 'completed')
      s.act('retry', 'a')
      s.act('cancel', 'a')
      s.export('a', { state: 'cancelled', max_attempts: 4, attempts: [first] })
      s.tell({ kind: 'effect_stored', job: 'a', token: 1 })
    },
  ],
  [
    'an isolated run that vanished after it had returned',
    (s) => {
      s.enqueue('a', { maxAttempts: 2 })
      s.start('a', 1)
      s.wait(1_500)
      const lost = s.run('a', 1, 'lost', { error: LOST })
      s.start('a', 2)
      s.end('a', 2)
      s.export('a', {
        state: 'dead',
        reason: 'attempts spent',
        lost: 1,
        max_attempts: 2,
        error: PROCESS_LOST,
        attempts: [lost, s.run('a', 2, 'dead', { error: PROCESS_LOST })],
      })
    },
  ],
  [
    'looks of two observers that cross on their way',
    (s) => {
      s.enqueue('a')
      s.start('a', 1)
      s.end('a', 1)
      const attempts = [s.run('a', 1, 'completed')]
      s.sample('a', { attempts }, 'observer-1')
      s.sample('a', { state: 'running' }, 'observer-2')
      s.export('a', { attempts })
    },
  ],
  [
    'a job that is running long after its lease in a database that nobody can write to',
    (s) => {
      s.enqueue('a')
      s.wait(1_000)
      const from = s.now
      s.tell({ kind: 'fault_started', n: 1, fault: 'read-only', hinders: true })
      s.wait(3_000)
      s.tell({ kind: 'overdue', jobs: [{ job: 'a', token: 1, ms: s.now - from }] })
      s.tell({ kind: 'fault_ended', n: 1 })
      s.completes('a', 2)
    },
  ],
]

describe('accepts', () => {
  test.each(LEGAL)('%s', (_, tell) => {
    const story = new Story()
    tell(story)
    expect(check(story.events, LIMITS).violations).toEqual([])
  })
})
