import { expect, test } from 'vitest'
import type { Backoff } from '../../src/job/backoff.ts'
import { nonRetryable, retryAfter, snooze } from '../../src/job/handler-signals.ts'
import { toJobError } from '../../src/job/job-error.ts'
import { decideOutcome, MAX_DELAY_MS, resultOfThrown, type LeasedRun, type RunResult } from '../../src/job/outcome.ts'
import { canMove } from '../../src/job/state.ts'

const BACKOFF: Backoff = { kind: 'exponential', baseMs: 1_000, capMs: 3_600_000, jitter: 0 }
const run = (changes: Partial<LeasedRun> = {}): LeasedRun => ({
  attempt: 1,
  maxAttempts: 3,
  lifeStart: 0,
  lost: 0,
  backoff: BACKOFF,
  ...changes,
})
const error = toJobError(new Error('x'))
const failed = (changes: object = {}): RunResult => ({ kind: 'failed', error, ...changes })

test('a value completes the job', () => {
  expect(decideOutcome({ kind: 'completed', resultJson: '1' }, run())).toEqual({ state: 'completed', resultJson: '1' })
})

test('a failure is retried after the backoff until the attempts are spent', () => {
  const outcomes = [1, 2, 3].map((attempt) => decideOutcome(failed(), run({ attempt })))
  expect(outcomes).toEqual([
    { state: 'retrying', delayMs: 1_000, error },
    { state: 'retrying', delayMs: 2_000, error },
    { state: 'dead', error, reason: 'attempts spent' },
  ])
  expect(decideOutcome(failed(), run({ attempt: 7 })).state).toBe('dead')
  expect(decideOutcome(failed(), run({ maxAttempts: 1 })).state).toBe('dead')
})

test('the backoff counts the runs of this life only', () => {
  const secondLife = { lifeStart: 25, maxAttempts: 50 }
  expect(decideOutcome(failed(), run({ ...secondLife, attempt: 26 }))).toMatchObject({
    state: 'retrying',
    delayMs: 1_000,
  })
  expect(decideOutcome(failed(), run({ ...secondLife, attempt: 28 }))).toMatchObject({
    state: 'retrying',
    delayMs: 4_000,
  })
  expect(decideOutcome(failed(), run({ ...secondLife, attempt: 50 }))).toMatchObject({ state: 'dead' })
})

test('jitter spreads the pause by the random number that is given', () => {
  const spread = run({ backoff: { ...BACKOFF, jitter: 0.2 } })
  expect(decideOutcome(failed(), spread, () => 0)).toMatchObject({ delayMs: 800 })
  expect(decideOutcome(failed(), spread, () => 1)).toMatchObject({ delayMs: 1_200 })
})

test('a failure that is not retryable kills the job with attempts left', () => {
  expect(decideOutcome(failed({ nonRetryable: true }), run())).toEqual({
    state: 'dead',
    error,
    reason: 'not retryable',
  })
  expect(decideOutcome(failed({ nonRetryable: true }), run({ attempt: 3 }))).toMatchObject({ reason: 'not retryable' })
})

test('retry-after takes the place of the backoff, not of the attempts', () => {
  expect(decideOutcome(failed({ retryAfterMs: 77 }), run())).toEqual({ state: 'retrying', delayMs: 77, error })
  expect(decideOutcome(failed({ retryAfterMs: 0 }), run())).toMatchObject({ state: 'retrying', delayMs: 0 })
  expect(decideOutcome(failed({ retryAfterMs: 77 }), run({ attempt: 3 }))).toMatchObject({
    state: 'dead',
    reason: 'attempts spent',
  })
})

test('a snooze waits however many attempts there were, a release goes back', () => {
  expect(decideOutcome({ kind: 'snoozed', delayMs: 5 }, run({ attempt: 3 }))).toEqual({
    state: 'scheduled',
    delayMs: 5,
  })
  expect(decideOutcome({ kind: 'released' }, run({ attempt: 3 }))).toEqual({ state: 'pending' })
})

test('a cancelled run ends its job, with the error if there was one', () => {
  expect(decideOutcome({ kind: 'cancelled' }, run())).toEqual({ state: 'cancelled', reason: 'cancelled' })
  expect(decideOutcome({ kind: 'cancelled', error }, run())).toEqual({ state: 'cancelled', reason: 'cancelled', error })
})

test('no delay leads beyond ten years, where dates end', () => {
  const delays = [
    failed({ retryAfterMs: Number.MAX_SAFE_INTEGER }),
    { kind: 'snoozed', delayMs: Number.MAX_SAFE_INTEGER } as const,
  ]
  for (const result of delays) expect(decideOutcome(result, run())).toMatchObject({ delayMs: MAX_DELAY_MS })
})

test('every outcome is a legal move of a running job', () => {
  const results: RunResult[] = [
    { kind: 'completed', resultJson: 'null' },
    failed(),
    failed({ nonRetryable: true }),
    { kind: 'snoozed', delayMs: 1 },
    { kind: 'released' },
    { kind: 'cancelled' },
  ]
  const states = results.map((result) => decideOutcome(result, run()).state)
  expect(new Set(states).size).toBe(6)
  for (const state of states) expect(canMove('running', state)).toBe(true)
})

test('what a handler throws becomes its result', () => {
  expect(resultOfThrown(new Error('x'))).toMatchObject({ kind: 'failed', error: { message: 'x' } })
  expect(resultOfThrown(new Error('x'))).not.toHaveProperty('nonRetryable')
  expect(resultOfThrown(nonRetryable('never'))).toMatchObject({
    kind: 'failed',
    error: { message: 'never' },
    nonRetryable: true,
  })
  expect(resultOfThrown(retryAfter('5s'))).toMatchObject({ kind: 'failed', retryAfterMs: 5_000 })
  expect(resultOfThrown(snooze('1h'))).toEqual({ kind: 'snoozed', delayMs: 3_600_000 })
  expect(resultOfThrown(null)).toMatchObject({ kind: 'failed', error: { name: 'Error' } })
})

test('a run whose process vanished waits for its backoff, and the third one is the last', () => {
  const lost = (changes: Partial<LeasedRun>) =>
    decideOutcome({ kind: 'lost', error }, run({ maxAttempts: 9, ...changes }))
  expect(lost({ attempt: 2, lost: 1 })).toEqual({ state: 'retrying', delayMs: 2_000, error })
  expect(lost({ attempt: 3, lost: 2 })).toEqual({ state: 'dead', reason: 'lost', error })
  expect(lost({ attempt: 9, lost: 1 })).toMatchObject({ state: 'dead', reason: 'attempts spent' })
})
