import { describe, expect, test } from 'vitest'
import { check } from './checker/check.ts'
import { instant, Story } from './checker/story.ts'
import { type Invariant, INVARIANTS, type Limits } from './checker/verdict.ts'

const LIMITS: Limits = { leaseMs: 1_000, recoveryMs: 500, passMs: 200, longestBackoffMs: 2_000, maxLost: 3 }

const TX = { do: 'return', tx: true } as const
const FAILS = { do: 'fail', times: 3 } as const
const error = (message: string, code?: string) => ({ name: 'Error', message, fingerprint: 'f', ...(code && { code }) })
const LOST = error('lease expired: worker worker-1', 'lease_expired')

const lostThrice = (s: Story) =>
  [1, 2, 3].map((token) => {
    s.wait(1_500)
    return s.run('a', token, token === 3 ? 'dead' : 'lost', { error: LOST })
  })

/** A small good history, and how it is bent so that one invariant breaks. */
type Bend = [invariant: Invariant, what: string, tell: (story: Story, bent: boolean) => void]

const BENDS: Bend[] = [
  [
    'I1',
    'an acknowledged job is gone at the end',
    (s, bent) => {
      s.enqueue('a')
      if (!bent) s.completes('a')
    },
  ],
  [
    'I1',
    'an acknowledged job still waits at the end',
    (s, bent) => {
      s.enqueue('a')
      if (bent) s.export('a', { state: 'pending' })
      else s.completes('a')
    },
  ],
  [
    'I1',
    'a job that was answered as there already is gone at the end',
    (s, bent) => {
      s.enqueue('a', { key: 'k', answer: 'unknown' })
      s.enqueue('a', { key: 'k', created: false })
      if (!bent) s.completes('a')
    },
  ],
  [
    'I1',
    'a job becomes final long after everything was healed',
    (s, bent) => {
      s.enqueue('a')
      s.heal()
      s.wait(bent ? 5_100 : 4_900)
      s.completes('a')
    },
  ],
  [
    'I2',
    'two racers with one key each get a job',
    (s, bent) => {
      s.enqueue('a', { key: 'k' })
      s.enqueue(bent ? 'b' : 'a', { key: 'k', label: 'a', created: bent })
      s.completes('a')
      if (bent) s.completes('b')
    },
  ],
  [
    'I2',
    'an enqueue without an answer and its repeat have left a job each',
    (s, bent) => {
      s.enqueue('a', { key: 'k', answer: 'unknown' })
      s.enqueue('b', { key: 'k', label: 'a' })
      s.completes('b')
      if (bent) s.export('a', { idempotency_key: 'k' })
    },
  ],
  [
    'I2',
    'a repeat is told that the job was made just then, a second time',
    (s, bent) => {
      s.enqueue('a', { key: 'k' })
      s.enqueue('a', { key: 'k', created: bent })
      s.completes('a')
    },
  ],
  [
    'I2',
    'a job is stored under another id than the one asked for',
    (s, bent) => {
      s.enqueue('a', { id: bent ? 'b' : 'a' })
      s.completes('a')
    },
  ],
  [
    'I3',
    'a job that was refused by its id is there',
    (s, bent) => {
      s.enqueue('a', { id: 'a', answer: 'refused' })
      if (bent) s.export('a', { state: 'pending' })
    },
  ],
  [
    'I3',
    'a job that was refused by its key has run',
    (s, bent) => {
      s.enqueue('a', { key: 'k', answer: 'refused' })
      if (bent) {
        s.start('a', 1)
        s.end('a', 1)
        s.export('a', { idempotency_key: 'k', attempts: [s.run('a', 1, 'completed')] })
      }
    },
  ],
  [
    'I3',
    'of a bulk that was refused a part is there',
    (s, bent) => {
      const jobs = ['a', 'b'].map((label) => ({ label, key: label, maxAttempts: 3, work: { do: 'return' as const } }))
      s.tell({ kind: 'enqueue_sent', call: 'bulk', via: 'http', jobs })
      s.tell({ kind: 'enqueue_answered', call: 'bulk', answer: 'refused' })
      if (bent) s.export('b', { state: 'pending' })
    },
  ],
  [
    'I4',
    'a job runs that nobody asked for',
    (s, bent) => {
      if (bent) s.start('a', 1)
    },
  ],
  [
    'I4',
    'a job is there that nobody asked for',
    (s, bent) => {
      s.enqueue('a')
      s.completes('a')
      if (bent) s.export('b')
    },
  ],
  [
    'I4',
    'one enqueue without a name has two jobs',
    (s, bent) => {
      s.enqueue('a')
      s.completes('a')
      if (bent) s.export('b', { payload: { label: 'a' } })
    },
  ],
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
  [
    'I8',
    'a job completed and its effect is missing',
    (s, bent) => {
      s.enqueue('a', { work: TX })
      s.start('a', 1)
      s.end('a', 1, 'completed_tx')
      s.export('a', { attempts: [s.run('a', 1, 'completed')] })
      if (!bent) s.tell({ kind: 'effect_stored', job: 'a', token: 1 })
    },
  ],
  [
    'I8',
    'an effect is there twice',
    (s, bent) => {
      s.enqueue('a', { work: TX })
      s.start('a', 1)
      s.end('a', 1, 'completed_tx')
      s.export('a', { attempts: [s.run('a', 1, 'completed')] })
      for (let n = 0; n < (bent ? 2 : 1); n++) s.tell({ kind: 'effect_stored', job: 'a', token: 1 })
    },
  ],
  [
    'I8',
    'a transaction that rolled back has left its effect',
    (s, bent) => {
      s.enqueue('a', { work: TX })
      s.start('a', 1)
      s.end('a', 1, 'rolled_back')
      s.export('a', {
        state: 'dead',
        reason: 'attempts spent',
        attempts: [s.run('a', 1, 'dead', { error: error('no') })],
      })
      if (bent) s.tell({ kind: 'effect_stored', job: 'a', token: 1 })
    },
  ],
  [
    'I8',
    'the effect of one run is there and another one completed the job',
    (s, bent) => {
      s.enqueue('a', { work: TX })
      s.start('a', 1)
      s.start('a', 2)
      s.end('a', 1, 'unknown_tx')
      s.end('a', 2, 'completed_tx')
      s.export('a', { attempts: [s.run('a', 2, 'completed')] })
      s.tell({ kind: 'effect_stored', job: 'a', token: 2 })
      if (bent) s.tell({ kind: 'effect_stored', job: 'a', token: 1 })
    },
  ],
  [
    'I8',
    'a job that writes no effect has one',
    (s, bent) => {
      s.enqueue('a')
      s.completes('a')
      if (bent) s.tell({ kind: 'effect_stored', job: 'a', token: 1 })
    },
  ],
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
  [
    'I13',
    'a job is running long after its lease has ended',
    (s, bent) => {
      s.enqueue('a')
      s.wait(3_000)
      s.tell({ kind: 'overdue', jobs: [{ job: 'a', token: 1, ms: bent ? 750 : 650 }] })
      s.completes('a', 2)
    },
  ],
  [
    'I13',
    'a job is running for longer than the database was away',
    (s, bent) => {
      s.enqueue('a')
      s.wait(1_000)
      const away = s.now
      s.wait(2_000, { answers: false })
      s.wait(bent ? 1_500 : 1_000)
      s.tell({ kind: 'overdue', jobs: [{ job: 'a', token: 1, ms: s.now - away }] })
      s.completes('a', 2)
    },
  ],
  [
    'I13',
    'a job is running while a fault goes on that does not hold it',
    (s, bent) => {
      s.enqueue('a')
      s.wait(1_000)
      const from = s.now
      s.tell({ kind: 'fault_started', n: 1, fault: 'rows locked', ...(!bent && { locksRows: true }) })
      s.wait(2_000)
      s.tell({ kind: 'fault_ended', n: 1 })
      s.wait(500)
      s.tell({ kind: 'overdue', jobs: [{ job: 'a', token: 1, ms: s.now - from }] })
      s.completes('a', 2)
    },
  ],
]

describe('breaks exactly one invariant when', () => {
  test.each(BENDS)('%s: %s', (invariant, _, tell) => {
    const good = new Story()
    tell(good, false)
    expect(check(good.events, LIMITS).violations).toEqual([])
    const bent = new Story()
    tell(bent, true)
    const { broken, violations } = check(bent.events, LIMITS)
    expect(broken).toEqual([invariant])
    for (const { sentence, events } of violations) {
      expect(sentence).toMatch(/^\S.*\.$/)
      expect(events.length).toBeGreaterThan(0)
    }
  })

  test('each invariant has its bend', () => {
    expect([...new Set(BENDS.map(([invariant]) => invariant))]).toEqual(Object.keys(INVARIANTS))
  })
})

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
    'a last line of a stopped worker that comes after the newer run has started',
    (s) => {
      s.enqueue('a')
      s.start('a', 2, { attempt: 1 })
      s.start('a', 1, { attempt: 1 })
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
        attempts: [lost, s.run('a', 2, 'dead', { error: error('vanished') })],
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

/** Everything that a run must have seen before it counts, but for one thing. */
function bitten(without = ''): Story {
  const s = new Story()
  s.enqueue('a')
  s.enqueue('b', { answer: without === STORED ? 'acknowledged' : 'unknown' })
  if (without !== NOT_STORED) s.enqueue('c', { answer: 'unknown' })
  s.start('a', 1)
  const busy = without === BUSY ? [] : ['a']
  s.tell({ kind: 'killed', pid: 1, what: 'worker', worker: 'worker-1', busy })
  s.wait(1_500)
  const first = without === EXPIRED ? s.run('a', 1, 'released') : s.run('a', 1, 'lost', { error: LOST })
  s.start('a', 2, { attempt: first.outcome === 'lost' ? 2 : 1 })
  s.end('a', 2)
  if (without !== REFUSED) s.tell({ kind: 'refused_outcome', job: 'a', token: 1 })
  s.tell({ kind: 'fault_started', n: 1, fault: 'kill', target: 'worker-1' })
  s.tell({ kind: 'fault_started', n: 2, fault: 'disk full', skipped: 'no rights to mount' })
  s.heal()
  const second = s.run('a', 2, 'completed', { attempt: first.outcome === 'lost' ? 2 : 1 })
  s.export('a', { lost: first.outcome === 'lost' ? 1 : 0, attempts: [first, second] })
  s.completes('b')
  return s
}

const REFUSED = 'no late outcome was refused'
const STORED = 'no enqueue without an answer was stored'
const NOT_STORED = 'no enqueue without an answer was not stored'
const EXPIRED = 'no lease expired'
const BUSY = 'no busy worker was killed'

test('passes what held although it was bitten, and reports its figures', () => {
  const { passed, vacuous, figures } = check(bitten().events, LIMITS)
  expect(vacuous).toEqual([])
  expect(passed).toBe(true)
  expect(figures).toMatchObject({
    acknowledged: 1,
    byWork: { return: 1 },
    finalStates: { completed: 2 },
    runs: 3,
    lostRuns: 1,
    refusedOutcomes: 1,
    unknownEnqueues: { stored: 1, notStored: 1 },
    faults: { kill: 1 },
    skipped: { 'disk full': 1 },
    kills: { worker: 1 },
    killToNextRunMs: { n: 1, p50: 1510, p99: 1510, max: 1510 },
  })
})

test.each([REFUSED, STORED, NOT_STORED, EXPIRED, BUSY])('fails as vacuous when %s', (reason) => {
  const { passed, violations, vacuous } = check(bitten(reason).events, LIMITS)
  expect(violations).toEqual([])
  expect(vacuous).toEqual([reason])
  expect(passed).toBe(false)
})

test('counts an enqueue without an answer as stored when its repeat finds the job, and as not stored when it makes it', () => {
  const found = new Story()
  found.enqueue('a', { key: 'k', answer: 'unknown' })
  found.enqueue('a', { key: 'k', answer: 'unknown' })
  found.enqueue('a', { key: 'k', created: false })
  found.completes('a')
  expect(check(found.events, LIMITS).figures.unknownEnqueues).toEqual({ stored: 1, notStored: 1 })
  const made = new Story()
  made.enqueue('a', { key: 'k', answer: 'unknown' })
  made.enqueue('a', { key: 'k' })
  made.completes('a')
  expect(check(made.events, LIMITS).figures.unknownEnqueues).toEqual({ stored: 0, notStored: 1 })
})

test('takes events in any order', () => {
  const { events } = bitten()
  expect(check(events.toReversed(), LIMITS)).toEqual(check(events, LIMITS))
})

test('judges two hundred thousand events in seconds: what it costs grows with them and no faster', () => {
  const s = new Story()
  for (let n = 0; n < 40_000; n++) {
    s.enqueue(`job-${n}`)
    s.completes(`job-${n}`)
  }
  expect(s.events.length).toBeGreaterThan(200_000)
  const before = performance.now()
  expect(check(s.events, LIMITS).broken).toEqual([])
  expect(performance.now() - before).toBeLessThan(20_000)
})
