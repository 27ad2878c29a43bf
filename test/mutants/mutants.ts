import type { Edit, Mutant } from './mutant.ts'

const LIVE = 'where id = ${sessionId} and ended_at is null and expires_at > clock_timestamp()'
/** As a planner might that knows no hash and no sorted list. */
const NESTED_LOOPS: Edit = {
  file: 'src/store/database.ts',
  find: "  'enable_seqscan=off',\n",
  replace: `  'enable_seqscan=off',
  'enable_hashjoin=off',
  'enable_mergejoin=off',
  'enable_hashagg=off',
  'enable_sort=off',
  'enable_material=off',
`,
}

/**
 * The product, each time with one fence left out, and who has to notice. What only an interleaving of two statements
 * shows is left to the walks: a handler's process would have to be stopped at one statement of many.
 */
export const MUTANTS: readonly Mutant[] = [
  {
    name: 'no token on complete',
    edits: [
      {
        file: 'src/store/complete.ts',
        find: '[(job.lease_no - ${first}::bigint)::integer + 1] = job.token',
        replace: '[1] is not null',
      },
    ],
    caughtBy: { by: 'walk', scenario: 'an outcome is sent again', invariants: ['I7'] },
  },
  {
    name: 'no token on fail',
    edits: [
      {
        file: 'src/store/outcomes.ts',
        find: `as cancelled
        from forgeq.jobs as job
       where job.id = any (array(select id from outcome)) and (select leases from batch) ? (job.id || ' ' || job.token)`,
        replace: `as cancelled
        from forgeq.jobs as job
       where job.id = any (array(select id from outcome))`,
      },
      { file: 'src/store/outcomes.ts', find: ' and outcome.token = locked.token', replace: '' },
    ],
    caughtBy: { by: 'walk', scenario: 'an outcome is sent again', invariants: ['I7'] },
  },
  {
    name: 'no token on the last failure',
    edits: [
      {
        file: 'src/store/outcomes.ts',
        find: `    ), deleted as (
      delete from forgeq.jobs as job
       where job.id = any (array(select id from outcome)) and (select leases from batch) ? (job.id || ' ' || job.token)`,
        replace: `    ), deleted as (
      delete from forgeq.jobs as job
       where job.id = any (array(select id from outcome))`,
      },
      { file: 'src/store/outcomes.ts', find: ' and outcome.token = job.token', replace: '' },
    ],
    caughtBy: {
      by: 'walk',
      scenario: 'an outcome is sent again',
      changes: { jobs: [{ maxAttempts: 1 }] },
      invariants: ['I7'],
    },
  },
  {
    name: 'no token on progress',
    edits: [{ file: 'src/store/progress.ts', find: ' and sent.token = locked.token', replace: '' }],
    caughtBy: {
      by: 'walk',
      scenario: 'an outcome is sent again',
      changes: { workers: { w1: ['claim', 'fail', 'progress'], w2: [] } },
      invariants: ['I7'],
    },
  },
  {
    name: 'no session on complete',
    edits: [
      {
        file: 'src/store/complete.ts',
        find: 'and job.session_id is not distinct from ${sessionId}::uuid',
        replace: '',
      },
    ],
    caughtBy: { by: 'walk', scenario: 'a failover undoes a claim', invariants: ['I7'] },
  },
  {
    name: "a claim without the session's check",
    edits: [{ file: 'src/store/leases.ts', find: LIVE, replace: 'where id = ${sessionId}' }],
    caughtBy: {
      by: 'walk',
      scenario: 'a session expires under a running job',
      changes: { workers: { w1: ['claim', 'release'], w2: [] } },
      invariants: ['live session'],
    },
  },
  {
    name: "a heartbeat without the session's check",
    edits: [{ file: 'src/store/sessions.ts', find: LIVE, replace: 'where id = ${sessionId}' }],
    caughtBy: { by: 'walk', scenario: 'a session expires under a running job', invariants: ['no revival'] },
  },
  {
    name: 'an expired session that revives',
    edits: [
      {
        file: 'src/store/sessions.ts',
        find: `status = \${status}
       ${LIVE}`,
        replace: `status = \${status}, ended_at = null, end_reason = null
       where id = \${sessionId}`,
      },
    ],
    caughtBy: { by: 'walk', scenario: 'a session expires under a running job', invariants: ['no revival'] },
  },
  {
    name: 'recovery by id without a guard',
    edits: [
      {
        file: 'src/store/recovery.ts',
        find: `job.state = 'running' and job.token = any (array[decided.token]) and job.session_id is not distinct from decided.session`,
        replace: 'true',
      },
    ],
    caughtBy: { by: 'walk', scenario: 'recovery looks while a job moves on', invariants: ['live session', 'I7'] },
  },
  {
    name: 'acknowledge before commit',
    edits: [
      {
        file: 'src/queue/shared-inserts.ts',
        find: `      const inserted = await insertJobs(
`,
        replace: `      for (const { resolve } of batch) {
        const now = new Date().toISOString()
        resolve({ state: 'pending', runAt: now, createdAt: now })
      }
      const inserted = await insertJobs(
`,
      },
    ],
    caughtBy: { by: 'chaos', faults: ['server-kill', 'postmaster-kill'], minutes: 1, invariants: ['I1'] },
  },
  {
    name: 'synchronous_commit=off',
    edits: [
      { file: 'src/store/database.ts', find: "'synchronous_commit=on'", replace: "'synchronous_commit=off'" },
      // Without this the product refuses to start.
      { file: 'src/store/schema.ts', find: "current_setting('synchronous_commit') = 'on' and ", replace: '' },
    ],
    caughtBy: { by: 'chaos', faults: ['postmaster-kill', 'postgres-immediate'], minutes: 1, invariants: ['I1'] },
  },
  {
    name: 'key checked by SELECT then INSERT',
    edits: [
      {
        file: 'migrations/0001_jobs.sql',
        find: '  key        text        primary key,',
        replace: '  key        text        not null,',
      },
      {
        file: 'src/store/keys.ts',
        find: `     order by key
        on conflict (key) do nothing`,
        replace: '     order by key',
      },
    ],
    caughtBy: { by: 'chaos', faults: ['worker-kill'], minutes: 2, invariants: ['I2'] },
  },
  {
    name: 'token = worker name',
    edits: [
      {
        file: 'src/store/leases.ts',
        find: 'token = job.token + 1',
        replace: 'token = (select 1 + abs(hashtext(name)::bigint) from forgeq.sessions where id = ${sessionId})',
      },
    ],
    caughtBy: { by: 'chaos', faults: ['worker-kill'], minutes: 1, invariants: ['I5'] },
  },
  {
    name: 'claim without MATERIALIZED under a nested-loop plan',
    edits: [
      NESTED_LOOPS,
      {
        file: 'src/store/leases.ts',
        find: `           lease_no = numbered.lease_no, started_at = clock_timestamp()
      from numbered
     where job.id = numbered.id and job.id = any (array(select id from numbered))`,
        replace: `           lease_no = \${nextLeaseNo}::bigint, started_at = clock_timestamp()
     where job.state = 'pending'
       and job.id in (
         select locked.id
           from share
          cross join lateral (
            select job.id
              from forgeq.jobs as job
             where job.state = 'pending' and job.queue = share.q and job.type = share.t and job.priority = share.p
             order by job.run_at, job.seq
             limit share.take
               for update skip locked
          ) as locked)`,
      },
      {
        file: 'src/store/leases.ts',
        find: 'lane: fragment`numbered.lane`',
        replace: 'lane: fragment`0`',
      },
    ],
    caughtBy: {
      by: 'suite',
      file: 'test/store/claims.test.ts',
      test: 'leases at most its limit, the first due first, and tells all about each',
    },
  },
  {
    name: 'no reconnect of LISTEN and no polling',
    edits: [
      { file: 'src/store/listener.ts', find: '        await ended\n', replace: '        await ended\n        break\n' },
      {
        file: 'src/worker/dispatcher.ts',
        find: 'const timer = setTimeout(done, ms)',
        replace: 'const timer = setTimeout(done, ms + 2_000_000_000)',
      },
      // Nor does what the process sees wake it.
      {
        file: 'src/worker/worker.ts',
        find: '    following = undefined\n',
        replace: '    following = undefined\n    if (followed < Infinity) return\n',
      },
    ],
    caughtBy: { by: 'chaos', faults: ['sessions-terminate'], minutes: 1, invariants: ['I1'] },
  },
  {
    name: "worker's clock instead of the database's",
    edits: [
      {
        file: 'src/store/due.ts',
        find: 'and run_at <= (select clock_timestamp())',
        replace: 'and run_at <= ${new Date().toISOString()}::timestamptz',
      },
    ],
    caughtBy: { by: 'chaos', faults: ['clock-ahead'], minutes: 2, invariants: ['I11'] },
  },
]
