import type { Invariant } from './ledger.ts'
import type { Edits } from './road.ts'
import { SCENARIOS } from './scenarios.ts'
import type { Mistakes, Scenario } from './scenario.ts'

/** The product with one fence left out. */
export interface Mutant {
  edits?: Edits
  mistakes?: Mistakes
  scenario: Scenario
  /** What of the invariants notices. */
  caughtBy: readonly Invariant[]
}

const gone = (find: string | RegExp) => [{ find, put: '' }]
const LEASES = `(select leases from batch) ? (job.id || ' ' || job.token) and `
/** The value must stay bound. */
const ANY_SESSION = [{ find: /job\.session_id is not distinct from (\$\d+)::uuid/, put: '($1::uuid is not null)' }]
const LIVE = ' and ended_at is null and expires_at > clock_timestamp()'
const NO_GUARD: Edits = {
  recover_jobs: [
    {
      find: "job.state = 'running' and job.token = any (array[decided.token]) and job.session_id is not distinct from decided.session",
      put: 'true',
    },
  ],
}

const NO_SECOND_LOOK = [{ find: 'where not exists (', put: 'where true or not exists (' }]

const again = SCENARIOS['an outcome is sent again']
const expires = SCENARIOS['a session expires under a running job']
const failover = SCENARIOS['a failover undoes a claim']
const lateSync = SCENARIOS['a sync arrives late']
const movesOn = SCENARIOS['recovery looks while a job moves on']
const looks: Scenario = {
  ...movesOn,
  workers: { w1: ['release'], w2: ['register', 'claim'] },
  recovery: ['recover, held'],
  scheduler: [],
}
const cancels = SCENARIOS['somebody cancels a job that moves']

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'no token on complete': {
    edits: {
      complete_jobs: [
        { find: /\[(\(job\.lease_no - \$\d+::bigint\)::integer \+ 1)\] = job\.token/, put: '[$1] is distinct from -1' },
      ],
    },
    scenario: { ...again, workers: { w1: ['claim', 'complete, answer lost', 'echo'], w2: [] } },
    caughtBy: ['I7'],
  },
  'no token on the end of a failed job': {
    edits: {
      finish_jobs: [...gone(LEASES), ...gone(' and outcome.token = job.token')],
    },
    scenario: { ...again, jobs: [{ maxAttempts: 1 }] },
    caughtBy: ['I7'],
  },
  'no token on fail and release': {
    edits: { requeue_jobs: [...gone(LEASES), ...gone(' and outcome.token = locked.token')] },
    scenario: again,
    caughtBy: ['I7'],
  },
  'no token on progress': {
    edits: { write_progress: gone(' and sent.token = locked.token') },
    scenario: { ...again, workers: { w1: ['claim', 'fail', 'progress'], w2: [] } },
    caughtBy: ['I7'],
  },
  'no session on complete': {
    edits: { complete_jobs: ANY_SESSION },
    scenario: { ...failover, workers: { w1: ['claim, commits late', 'complete'], w2: ['claim'] } },
    caughtBy: ['I7'],
  },
  'no session on fail and release': { edits: { requeue_jobs: ANY_SESSION }, scenario: failover, caughtBy: ['I7'] },
  'no session on progress': { edits: { write_progress: ANY_SESSION }, scenario: failover, caughtBy: ['I7'] },
  'a claim without a look at the session': {
    edits: { claim_jobs: gone(LIVE) },
    scenario: { ...expires, workers: { w1: ['claim', 'release'], w2: [] } },
    caughtBy: ['live session'],
  },
  'a heartbeat that revives an expired session': {
    edits: { heartbeat: gone(LIVE) },
    scenario: expires,
    caughtBy: ['no revival'],
  },
  'recovery by id alone': { edits: NO_GUARD, scenario: movesOn, caughtBy: ['live session', 'I7'] },
  'recovery that asks neither at its look nor at its write who holds the lease': {
    edits: {
      lock_lost_jobs: [
        {
          find: 'where job.session_id = any (array(select session_id from gone))',
          put: 'where (job.session_id = any (array(select session_id from gone)) or job.session_id is not null)',
        },
      ],
      recover_jobs: NO_SECOND_LOOK,
    },
    scenario: looks,
    caughtBy: ['live session'],
  },
  'a sync that forgets what is reported and not answered': {
    mistakes: { syncForgets: true },
    scenario: lateSync,
    caughtBy: ['live session'],
  },
  'a sync that names no newest lease': {
    mistakes: { syncIgnoresUpto: true },
    scenario: lateSync,
    caughtBy: ['live session'],
  },
  'a repeat that is believed for its id': {
    edits: {
      accepted_before: [{ find: 'or exists (', put: 'or true or exists (' }],
    },
    scenario: { ...expires, workers: { w1: ['complete, never arrives', 'repeat'], w2: [] } },
    caughtBy: ['answers'],
  },
  'a repeat that is refused once the job has gone on': {
    edits: {
      accepted_before: [{ find: "and case when run ->> 'outcome'", put: "and false and case when run ->> 'outcome'" }],
    },
    scenario: again,
    caughtBy: ['answers'],
  },
  'a token that does not grow': {
    edits: { claim_jobs: [{ find: 'token = job.token + 1', put: 'token = greatest(job.token, 1)' }] },
    scenario: expires,
    caughtBy: ['I5'],
  },
  'a new life that begins with the first token': {
    edits: {
      revive_job: [
        { find: /life_start\), 2147483647\)::int, attempt, token,/, put: 'life_start), 2147483647)::int, attempt, 1,' },
      ],
    },
    scenario: again,
    caughtBy: ['I5'],
  },
  'an end that leaves the live row': {
    edits: {
      complete_jobs: [
        {
          find: 'delete from forgeq.jobs as job',
          put: "update forgeq.jobs as job set state = 'pending', session_id = null, lease_no = null",
        },
      ],
    },
    scenario: expires,
    caughtBy: ['one table'],
  },
  'a loss that is not counted': {
    edits: {
      recover_jobs: [{ find: 'lost = job.lost + case when decided.counted then 1 else 0 end', put: 'lost = job.lost' }],
    },
    scenario: expires,
    caughtBy: ['I9'],
  },
  'recovery that counts what lay in a buffer': {
    edits: { lock_lost_jobs: [{ find: 'job.lease_no <= coalesce(starts.upto, 0)', put: 'true' }] },
    scenario: SCENARIOS['buffered jobs are lost with their worker'],
    caughtBy: ['I9'],
  },
  'a snooze that is promoted before its time': {
    edits: { promote_due_jobs: [{ find: 'run_at <= (select clock_timestamp())', put: 'true' }] },
    scenario: { ...expires, workers: { w1: ['snooze'], w2: ['claim'] }, snoozeMs: 3_600_000 },
    caughtBy: ['I11'],
  },
  'a cancel that ends a job under its worker': {
    edits: { cancel_waiting_job: [{ find: "and job.state <> 'running'", put: '' }] },
    scenario: cancels,
    caughtBy: ['live session'],
  },
  'a failure that forgets the wish to cancel': {
    edits: {
      requeue_jobs: [
        {
          find: 'select job.id, job.token, job.cancel_requested_at is not null as cancelled',
          put: 'select job.id, job.token, false as cancelled',
        },
      ],
    },
    scenario: {
      ...cancels,
      workers: { w1: ['claim', 'release'] },
      recovery: [],
      scheduler: [],
      person: { acts: ['cancel'], times: 1 },
    },
    caughtBy: ['cancel'],
  },
  'recovery that writes nothing': {
    edits: { recover_jobs: [{ find: 'where not exists (', put: 'where false and not exists (' }] },
    scenario: { ...expires, workers: { w1: ['crash'], w2: ['register', 'claim', 'complete'] } },
    caughtBy: ['I1'],
  },
  'a key that the last one to ask for it gets': {
    edits: {
      take_keys: [
        { find: 'on conflict (key) do nothing', put: 'on conflict (key) do update set job_id = excluded.job_id' },
      ],
    },
    scenario: SCENARIOS['two programs enqueue under one key'],
    caughtBy: ['I2'],
  },
  'a cancelled job that is told dead': {
    edits: { cancel_waiting_job: [{ find: "'cancelled' as final_state", put: "'dead' as final_state" }] },
    scenario: cancels,
    caughtBy: ['I12'],
  },
}

/** Fences that stand behind another: with one of them left out nothing goes wrong. */
export const SPARE: Readonly<Record<string, Omit<Mutant, 'caughtBy'>>> = {
  'recovery that does not look at the session again': { edits: { recover_jobs: NO_SECOND_LOOK }, scenario: looks },
}
