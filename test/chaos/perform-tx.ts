import pg from 'pg'
import type { RunEnded, Work } from './history.ts'
import { env, perform, recorderOfProcess, type Run, startRun, valueOf } from './perform.ts'
import { EFFECTS, SLOTS } from './settings.ts'

/** A run that can complete its job through a transaction of its own. */
export interface TxRun extends Run {
  complete(tx: pg.ClientBase, result?: unknown): Promise<void>
}

const QUERY_TIMEOUT_MS = 15_000

let pool: pg.Pool | undefined

function poolOfProcess(): pg.Pool {
  pool ??= new pg.Pool({
    connectionString: env('DATABASE_URL'),
    application_name: 'handler',
    max: SLOTS,
    query_timeout: QUERY_TIMEOUT_MS,
  })
  pool.on('error', () => {}) // an idle connection was cut; the next is a new one
  return pool
}

/** Runs the work of a job that completes with one row in the table of effects, in one transaction. */
export async function runTxWork(work: Work, run: TxRun): Promise<void> {
  startRun(run)
  let how: RunEnded['how'] = 'threw'
  try {
    const value = await unlessFailing(work, run)
    const tx = await poolOfProcess().connect()
    tx.on('error', () => {}) // the statement under way says it too
    let failure: Error | undefined
    try {
      how = 'rolled_back'
      await tx.query('begin')
      await tx.query(`insert into ${EFFECTS} (job, token) values ($1, $2)`, [run.id, run.token])
      // One that fails does so behind its effect, and every other time behind the completion too.
      if (value === undefined && run.token % 2 === 0) await run.complete(tx, valueOf(run))
      if (value === undefined) throw new Error(`fails in attempt ${run.attempt} (token ${run.token})`)
      await run.complete(tx, value)
      how = 'unknown_tx'
      const { command } = await tx.query('commit')
      how = command === 'COMMIT' ? 'completed_tx' : 'rolled_back'
      if (how === 'rolled_back') throw new Error(`its commit was a rollback (token ${run.token})`)
    } catch (error) {
      failure = error as Error
      // A definite no of the database is one of the commit, too.
      if (how === 'unknown_tx' && isAnswer(error)) how = 'rolled_back'
      await tx.query('rollback').catch(() => {})
      throw error
    } finally {
      tx.release(failure)
    }
  } finally {
    recorderOfProcess()({ kind: 'run_ended', job: run.id, token: run.token, how })
  }
}

/** The value of the work; undefined where it fails, which is left to the transaction. */
async function unlessFailing(work: Work, run: Run): Promise<unknown> {
  if (work.do === 'fail') return run.attempt <= (work.times ?? 1) ? undefined : valueOf(run)
  return perform(work, run)
}

/** An error of the statement; those of classes 08 and 57 (the connection, an operator's end) leave open what was done. */
const isAnswer = (error: unknown): boolean => {
  const { code } = error as { code?: unknown }
  return error instanceof pg.DatabaseError && typeof code === 'string' && !/^(08|57)/.test(code)
}
