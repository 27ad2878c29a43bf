import { expect, test } from 'vitest'
import { canMove, FINAL_STATES, isFinal, JOB_STATES, TRANSITIONS, type JobState } from '../../src/job/state.ts'

const reachableFrom = (start: JobState): Set<JobState> => {
  const reached = new Set<JobState>([start])
  for (const state of reached) for (const next of TRANSITIONS[state]) reached.add(next)
  return reached
}

test('a final state is left for pending only, by a new life', () => {
  for (const state of FINAL_STATES) expect(TRANSITIONS[state]).toEqual(['pending'])
})

test('only a running job completes, dies, or waits for a retry', () => {
  for (const end of ['completed', 'dead', 'retrying'] as const) {
    expect(JOB_STATES.filter((state) => canMove(state, end))).toEqual(['running'])
  }
})

test('only a pending job starts to run', () => {
  expect(JOB_STATES.filter((state) => canMove(state, 'running'))).toEqual(['pending'])
})

test('every job that is not final can be cancelled', () => {
  for (const state of JOB_STATES) expect(canMove(state, 'cancelled')).toBe(!isFinal(state))
})

test('no state is a trap and none moves to itself', () => {
  for (const state of JOB_STATES) {
    expect(reachableFrom(state)).toContain('completed')
    expect(canMove(state, state)).toBe(false)
  }
})

test('the final states are completed, dead and cancelled', () => {
  expect(JOB_STATES.filter(isFinal)).toEqual(['completed', 'dead', 'cancelled'])
})
