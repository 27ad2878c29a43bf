import { uuidv7 } from 'uuidv7'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { DEFAULTS } from '../../src/config.ts'
import { keepingOf } from '../../src/queue/create.ts'
import { connect, type Connection, type Database } from '../../src/store/database.ts'
import { promoteDueJobs, expireJobs } from '../../src/store/due.ts'
import { insertJobs } from '../../src/store/enqueue.ts'
import { claimJobs, findLanes, noteStarts } from '../../src/store/leases.ts'
import { acceptedBefore, finishJobs, finishKeyedJobs, requeueJobs } from '../../src/store/outcomes.ts'
import { writeProgress } from '../../src/store/progress.ts'
import { lockLostJobs, recoverJobs, syncLeases } from '../../src/store/recovery.ts'
import { searchJobs } from '../../src/store/search.ts'
import { heartbeat } from '../../src/store/sessions.ts'
import { rawSql, testDatabase } from '../support/database.ts'
import { newJob } from '../support/factory.ts'
import { explainPrepared, prepare, readsOf, statementOf, type PlanNode } from '../support/plans.ts'

const db = testDatabase()
const keeping = keepingOf(DEFAULTS)
const sessionId = uuidv7()
const reporter = { sessionId, worker: { id: sessionId, name: 'w' } }
const ids = Array.from({ length: 100 }, () => uuidv7())
const nothing = {
  states: null, queue: null, type: null, tag: null, key: null, worker: null, error: null,
  createdAfter: null, createdBefore: null, finishedAfter: null, payload: [], q: null,
}
const HOT: Record<string, (db: Database) => Promise<unknown>> = {
  insert_jobs: (db) => insertJobs(db, ids.map((id) => ({ ...newJob(), id }))),
  claim_jobs: (db) => claimJobs(db, { sessionId, limit: 100,
      lanes: [{ queue: 'default', type: 'test', priority: 0, after: null }],
      nextLeaseNo: 1, startable: 10 }),
  finish_jobs: (db) => finishJobs(db, reporter, ids.map((id) => ({ id, token: 1, state: 'completed' as const, ranMs: 1 })), keeping),
  finish_keyed_jobs: (db) => finishKeyedJobs(db, reporter, ids.map((id) => ({ id, token: 1, state: 'completed' as const, ranMs: 1 })), keeping),
  requeue_jobs: (db) => requeueJobs(db, reporter, ids.map((id) => ({ id, token: 1, state: 'retrying' as const, delayMs: 1, counted: true, outcome: 'failed' as const, ranMs: 1 })), keeping),
  accepted_before: (db) => acceptedBefore(db, sessionId, ids.map((id) => ({ id, token: 1 }))),
  write_progress: (db) => writeProgress(db, sessionId, ids.map((id) => ({ id, token: 1, value: 0.5 }))),
  note_starts: (db) => noteStarts(db, { sessionId, queue: 'default', upto: 3 }),
  heartbeat: (db) => heartbeat(db, { sessionId, leaseMs: 15_000, status: 'active' }),
  promote_due_jobs: (db) => promoteDueJobs(db, { limit: 1000 }),
  expire_jobs: (db) => expireJobs(db, { limit: 1000, keeping }),
  find_lanes: (db) => findLanes(db, { queues: null, types: ['test'] }),
  sync_leases: (db) => syncLeases(db, { sessionId, upto: 1, known: ids, maxGivenBack: 3 }),
  lock_lost_jobs: (db) => lockLostJobs(db, { limit: 500 }),
  recover_jobs: (db) => recoverJobs(db, ids.map((id) => ({ id, token: 1, sessionId, state: 'pending' as const, delayMs: 0, counted: true })), keeping),
  search_jobs: (db) => searchJobs(db, nothing, { before: null, look: 100, limit: 100 }),
}
const JOINS = ['', 'enable_nestloop', 'enable_hashjoin', 'enable_mergejoin']
const MODES = ['force_generic_plan', 'force_custom_plan']

let seen: string[] = []
async function look(label: string) {
  for (const mode of MODES) for (const join of JOINS) {
    const c = await connect(db.connection, 'plans')
    await rawSql(c, `set plan_cache_mode = ${mode}`)
    if (join) await rawSql(c, `set ${join} = off`)
    for (const [name, call] of Object.entries(HOT)) {
      const st = await statementOf(call).catch((e) => { throw e })
      await prepare(c, name, st)
      const plan = await explainPrepared(c, name, st.values).catch((e) => { console.log(name, st.values); throw e })
      const bad = readsOf(plan, /^(jobs|finished_jobs.*)$/).filter((n: any) => n['Relation Name']==='jobs' && !n['Index Cond'] && n['Node Type']!=='Bitmap Heap Scan')
      const desc = [...new Set(bad.map((n) => `${n['Node Type']} ${n['Relation Name']!.slice(0, 16)} ${n['Index Name'] ?? ''}`))]
      if (bad.length) seen.push(`${label} ${mode} ${join}: ${name}: ${desc.join(', ')}`)
    }
    await c.close()
  }
}
const fill = (n: number) => db.sql(`insert into forgeq.jobs (id, queue, type, state, run_at, created_at, payload, max_attempts)
   select gen_random_uuid(), 'default', 'test', 'pending', clock_timestamp(), clock_timestamp(), '{}', 25 from generate_series(1, ${n})`)
test('probe', async () => {
  await db.sql('alter table forgeq.jobs set (autovacuum_enabled = false)')
  await fill(50000)
  await look('never analysed')
  await db.sql('truncate forgeq.jobs'); await db.sql('analyze forgeq.jobs'); 
  // plans kept from the empty table
  const kept = await connect(db.connection, 'plans')
  await rawSql(kept, `set plan_cache_mode = force_generic_plan`)
  const sts: any = {}
  for (const [name, call] of Object.entries(HOT)) { const st = await statementOf(call); sts[name] = st; await prepare(kept, name, st); await explainPrepared(kept, name, st.values) }
  await fill(50000)
  for (const name of Object.keys(HOT)) {
      const plan = await explainPrepared(kept, name, sts[name].values)
      const bad = readsOf(plan, /^(jobs|finished_jobs.*)$/).filter((n: any) => n['Relation Name']==='jobs' && !n['Index Cond'] && n['Node Type']!=='Bitmap Heap Scan')
      const desc = [...new Set(bad.map((n) => `${n['Node Type']} ${n['Relation Name']!.slice(0, 16)} ${n['Index Name'] ?? ''}`))]
      if (bad.length) seen.push(`KEPT: ${name}: ${desc.join(', ')}`)
  }
  await kept.close()
  await look('analysed empty')
  await db.sql('analyze forgeq.jobs'); 
  await look('analysed full')
  await db.sql('delete from forgeq.jobs where ctid in (select ctid from forgeq.jobs limit 49900)')
  await look('emptied')
  console.log(seen.join('\n'))
}, 120000)
