import type { Scenario } from './scenario.ts'
import { WORKER_STEPS } from './worker-steps.ts'

const BOTH = ['w1: register', 'w2: register'] as const

/** Everybody may do everything. */
export const EVERYTHING: Scenario = {
  name: 'everything',
  jobs: [{ maxAttempts: 3 }],
  workers: { w1: WORKER_STEPS, w2: WORKER_STEPS },
  recovery: ['recover', 'recover, held'],
  scheduler: ['promote', 'promote, held'],
  person: { acts: ['cancel', 'retry', 'run', 'delete'], times: 2 },
  time: { steps: ['expire', 'wait'], times: 4 },
}

/** As above, with jobs that lie in buffers, one of them with a key, and claims that a failover undoes. */
export const TWO_JOBS: Scenario = {
  ...EVERYTHING,
  name: 'two jobs',
  jobs: [{ maxAttempts: 2 }, { keyed: true }],
  failover: true,
}

/** A few actors each, so that all their interleavings can be taken to a depth where something could go wrong. */
export const SCENARIOS = {
  'a session expires under a running job': {
    name: 'a session expires under a running job',
    jobs: [{ maxAttempts: 2 }],
    workers: {
      w1: ['complete', 'complete, held', 'fail', 'snooze', 'heartbeat'],
      w2: ['register', 'claim', 'complete', 'fail'],
    },
    recovery: ['recover'],
    scheduler: ['promote'],
    time: { steps: ['expire'], times: 1 },
    opening: ['w1: register', 'w1: claim'],
  },
  'an outcome is sent again': {
    name: 'an outcome is sent again',
    jobs: [{}],
    workers: {
      w1: [
        'claim',
        'complete, answer lost',
        'complete, never arrives',
        'fail, answer lost',
        'release, answer lost',
        'repeat',
        'echo',
        'progress',
      ],
      w2: ['claim', 'complete', 'fail'],
    },
    scheduler: ['promote'],
    person: { acts: ['retry'], times: 1 },
    opening: [...BOTH, 'w1: claim'],
  },
  'a claim commits late or is not answered': {
    name: 'a claim commits late or is not answered',
    jobs: [{}],
    workers: {
      w1: ['claim, answer lost', 'claim, commits late', 'claim, held', 'register', 'sync', 'complete', 'crash'],
      w2: ['claim', 'complete'],
    },
    recovery: ['recover'],
    time: { steps: ['expire'], times: 1 },
    opening: [...BOTH],
  },
  'a sync arrives late': {
    name: 'a sync arrives late',
    jobs: [{}],
    workers: {
      w1: [
        'claim',
        'sync',
        'sync, answer lost',
        'sync, arrives late',
        'fail',
        'complete, never arrives',
        'repeat',
        'release',
      ],
    },
    scheduler: ['promote'],
    opening: ['w1: register', 'w1: claim, answer lost'],
  },
  'recovery looks while a job moves on': {
    name: 'recovery looks while a job moves on',
    jobs: [{}],
    workers: { w1: ['release', 'fail', 'complete, held'], w2: ['register', 'claim', 'claim, commits late'] },
    recovery: ['recover', 'recover, held'],
    scheduler: ['promote'],
    opening: ['w1: register', 'w1: claim', 'time: expire w1'],
    time: { steps: ['expire'], times: 1 },
  },
  'somebody cancels a job that moves': {
    name: 'somebody cancels a job that moves',
    jobs: [{}],
    workers: { w1: ['claim', 'claim, answer lost', 'complete', 'fail', 'release', 'sync', 'heartbeat'] },
    recovery: ['recover'],
    scheduler: ['promote, held'],
    person: { acts: ['cancel', 'run'], times: 1 },
    time: { steps: ['expire'], times: 1 },
    opening: ['w1: register'],
  },
  'buffered jobs are lost with their worker': {
    name: 'buffered jobs are lost with their worker',
    jobs: [{}, {}],
    workers: { w1: ['claim', 'claim ahead', 'note', 'release', 'complete'], w2: ['claim', 'note'] },
    recovery: ['recover'],
    time: { steps: ['expire'], times: 1 },
    limit: 1,
    opening: [...BOTH],
  },
  'two programs enqueue under one key': {
    name: 'two programs enqueue under one key',
    jobs: [],
    workers: { w1: ['claim', 'complete'] },
    enqueuers: { names: ['e1', 'e2'], steps: ['enqueue', 'enqueue, rolled back'], times: 2 },
    person: { acts: ['delete', 'retry'], times: 1 },
    opening: ['w1: register'],
  },
  'a failover undoes a claim': {
    name: 'a failover undoes a claim',
    jobs: [{}],
    workers: {
      w1: ['claim, commits late', 'complete', 'fail', 'release', 'progress', 'sync'],
      w2: ['claim', 'complete', 'fail'],
    },
    scheduler: ['promote'],
    failover: true,
    opening: [...BOTH],
  },
} as const satisfies Record<string, Scenario>
