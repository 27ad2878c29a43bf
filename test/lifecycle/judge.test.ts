import { describe, expect, test } from 'vitest'
import type { Note } from './handlers.ts'
import { judge, type Observed } from './judge.ts'
import { type Scenario, scenariosOf } from './scenario.ts'

const BEGAN = 1_000_000
const SCENARIO: Scenario = {
  ...scenariosOf(1, 1)[0]!,
  kind: 'told once',
  command: 'worker',
  told: [{ signal: 'SIGTERM', afterMs: 0 }],
  output: 'read',
  database: undefined,
  devKilled: false,
  migrationHeld: undefined,
  graceMs: 1_000,
}

const note = (kind: Note['kind'], job: string, afterMs: number): Note => ({
  kind,
  job,
  token: 1,
  attempt: 1,
  pid: 1,
  at: BEGAN + afterMs,
})

/** One job that ends in the grace period, one that heeds the abort, one that goes back unstarted. */
function good(): Observed {
  return {
    scenario: SCENARIO,
    toldAt: [BEGAN],
    ended: { how: 0, at: BEGAN + 1_200 },
    printed: { out: 'worker told serves job\n', err: '{"level":"info","msg":"job completed"}\n' },
    leftovers: [],
    acknowledged: ['ended', 'aborted', 'buffered'],
    early: new Set(['ended', 'aborted', 'buffered']),
    jobs: new Map(['ended', 'aborted', 'buffered'].map((id) => [id, { state: 'completed', attempt: 1, type: 'job' }])),
    notes: [
      note('start', 'ended', -200),
      note('start', 'aborted', -200),
      note('end', 'ended', 100),
      note('aborted', 'aborted', 1_000),
    ],
    witness: {
      readyAt: BEGAN - 100,
      starts: [
        { job: 'buffered', token: 2, attempt: 1, at: BEGAN + 80 },
        { job: 'aborted', token: 2, attempt: 1, at: BEGAN + 1_090 },
      ],
    },
    left: { sessions: 0, jobs: 0 },
    leftServerFile: false,
    again: undefined,
    lagMs: 0,
  }
}

const secondSignal = (endMs: number, how: number): Partial<Observed> => ({
  scenario: {
    ...SCENARIO,
    graceMs: 4_000,
    told: [...SCENARIO.told, { signal: 'SIGTERM', afterMs: 1_200 }],
  },
  toldAt: [BEGAN, BEGAN + 1_200],
  ended: { how, at: BEGAN + endMs },
})

test('what is in order has no problem, and its figures are told', () => {
  expect(judge(good())).toEqual({ problems: [], nextRunMs: [80, 90], early: false, endMs: 1_200 })
  expect(judge({ ...good(), ...secondSignal(1_250, 143) })).toMatchObject({ problems: [], secondMs: 50 })
})

describe('what is not in order is found:', () => {
  test.each<[string, Partial<Observed>, RegExp]>([
    ['a process that does not end', { ended: undefined }, /did not end/],
    ['one that takes too long', { ended: { how: 0, at: BEGAN + 6_001 } }, /6001 ms to end/],
    ['another exit code', { ended: { how: 1, at: BEGAN + 1_200 } }, /ended with 1/],
    ['an end by the signal itself', { ended: { how: 'SIGTERM', at: BEGAN + 10 } }, /ended with SIGTERM/],
    ['a second signal that is not heeded at once', secondSignal(2_300, 143), /1100 ms after the second/],
    ['a second signal with another code', secondSignal(1_250, 1), /second SIGTERM ended it with 1/],
    [
      'a stack trace',
      { printed: { out: '', err: 'Error: no\n    at Object.query (file:///dist/store/database.js:118:24)\n' } },
      /stack trace/,
    ],
    [
      'a stack trace within a line of the log',
      {
        printed: {
          out: '',
          err: '{"err":{"stack":"Error: no\\n    at run (file:///dist/store/database.js:74:36)"}}\n',
        },
      },
      /stack trace/,
    ],
    ['a process that was left', { leftovers: ['77 sleep 30'] }, /left behind: 77 sleep 30/],
    ['an open session', { left: { sessions: 1, jobs: 0 } }, /sessions were left open/],
    ['jobs that it still holds', { left: { sessions: 0, jobs: 3 } }, /3 jobs were still held/],
    ['word of a server that is gone', { leftServerFile: true }, /server\.json/],
    ['a start that fails afterwards', { again: { problem: 'schema_mismatch' } }, /started again: schema_mismatch/],
    [
      'an acknowledged job that is not there',
      { acknowledged: ['ended', 'missing'] },
      /1 acknowledged jobs are not there/,
    ],
    [
      'a job that is not completed',
      { jobs: new Map([...good().jobs, ['buffered', { state: 'running', attempt: 1, type: 'job' }]]) },
      /buffered is running/,
    ],
    [
      'a run that was counted and never began',
      { jobs: new Map([...good().jobs, ['buffered', { state: 'completed', attempt: 2, type: 'job' }]]) },
      /more attempts than runs: buffered/,
    ],
    [
      'a job that runs again although it had ended',
      {
        witness: {
          ...good().witness,
          starts: [...good().witness.starts, { job: 'ended', token: 2, attempt: 2, at: BEGAN + 1_300 }],
        },
      },
      /ran again although they had ended/,
    ],
    [
      'a job that is handed back late',
      { witness: { ...good().witness, starts: [{ job: 'buffered', token: 2, attempt: 1, at: BEGAN + 1_001 }] } },
      /buffered ran 1001 ms after/,
    ],
  ])('%s', (_, bent, problem) => {
    const { problems } = judge({ ...good(), ...bent })
    expect(problems.join('\n')).toMatch(problem)
    expect(problems).toHaveLength(1)
  })
})

test('a machine that kept this process waiting is no fault of the product', () => {
  expect(judge({ ...good(), ended: { how: 0, at: BEGAN + 6_300 }, lagMs: 200 }).problems).toEqual([])
})
