import { ForgeQError } from '../errors.ts'
import { toJobError } from '../job/job-error.ts'
import type { RunResult } from '../job/outcome.ts'
import { callersTransaction, type CallerTransaction, requireBegun } from '../store/caller-transaction.ts'
import { abortTransaction, completeInTransaction, leaseLost } from '../store/complete-in-transaction.ts'
import type { Keeping } from '../store/history.ts'
import { resultJson } from './result-json.ts'
import type { Completion, Run } from './run.ts'

export interface CompletionContext {
  maxResultBytes: number
  keeping: Keeping
  completing?(): Promise<void>
}

/**
 * Completes the job of a run inside a transaction of its handler, once. Whenever this rejects the transaction can no
 * longer be committed, so that no effect stands without its completion.
 */
export function completeRun(
  run: Run,
  context: CompletionContext,
  tx: CallerTransaction,
  value: unknown,
): Promise<void> {
  const first = !run.over && !run.completion
  const completed = first ? complete(run, context, tx, value) : refuse(run, tx)
  // The outcome tells of it all: a handler that does not wait must not end the process.
  const answered = completed.catch(() => {})
  if (first) run.answered = answered
  return completed
}

async function complete(
  run: Run,
  { maxResultBytes, keeping, completing }: CompletionContext,
  tx: CallerTransaction,
  value: unknown,
): Promise<void> {
  const { id, token, session } = run.lease
  run.completion = 'asked'
  try {
    const own = callersTransaction(tx)
    await requireBegun(tx, own)
    await completing?.()
    await completeInTransaction(
      own,
      { sessionId: session.id, worker: session.worker },
      { id, token, resultJson: resultJson(value, maxResultBytes), ranMs: run.ranMs },
      keeping,
    )
    run.completion = 'taken'
  } catch (error) {
    run.completion = 'refused'
    throw error
  }
}

async function refuse({ over, lease: { id } }: Run, tx: CallerTransaction): Promise<never> {
  await abortTransaction(callersTransaction(tx), `job ${id} is not completed by it`)
  throw over ? leaseLost(id) : calledBefore(id)
}

const calledBefore = (id: string) =>
  new ForgeQError('invalid_request', `complete() was called before in this run of job ${id}`, {
    hint: 'a run completes once; let the job run again when its transaction could not be committed',
    details: { id },
  })

/** The code of a run's error when its handler has called `complete` and no commit followed. */
export const NOT_COMMITTED = 'not_committed'

/** What a handler comes to that has called `complete` and returns: a failure, unless the store knows better. */
export function notCommitted(completion: Completion): RunResult {
  const how =
    completion === 'refused'
      ? 'complete() was called and rejected, so that its transaction could not be committed'
      : 'complete() was called but its transaction was not committed'
  const error = Object.assign(new Error(how), { name: 'NotCommitted', code: NOT_COMMITTED })
  delete error.stack // it would show this worker, not the handler
  return { kind: 'failed', error: toJobError(error) }
}
