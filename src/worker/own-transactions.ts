import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { DatabasePool } from '../store/database.ts'
import { isRefusal } from '../store/failures.ts'
import { findLease } from '../store/complete-in-transaction.ts'
import type { Keeping } from '../store/history.ts'
import { acceptedBefore } from '../store/outcomes.ts'
import type { Report, Verdict } from './lease.ts'
import { byRoad, storableInstead } from './store-outcomes.ts'

export interface OwnTransactionsOptions {
  db: DatabasePool
  keeping: Keeping
  log: Logger
  settle(report: Report, verdict: Verdict): void
}

/** Settles the runs whose handlers have called `complete`. */
export interface OwnTransactions {
  push(report: Report): void
  /** Resolves when every run has its verdict, or when `signal` gives up on the rest. */
  flush(signal: AbortSignal): Promise<void>
}

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000

/**
 * A handler that has called `complete` may have committed, rolled back, or left its transaction open; only the store
 * knows. First its history is asked, for all that have come together: a run that is found there has its verdict. What
 * is not there gets the outcome that its handler came to, alone and one after the other, so that an open transaction
 * holds up nobody; while it stays open the two are repeated.
 */
export function createOwnTransactions({ db, keeping, log, settle }: OwnTransactionsOptions): OwnTransactions {
  const open = new Set<Promise<void>>()
  const hurry = new AbortController()
  let asking: Question[] = []
  let looking: Promise<void> | undefined
  let lane: Promise<unknown> = Promise.resolve()
  let givenUp: AbortSignal | undefined

  async function settled(report: Report): Promise<void> {
    const started = performance.now()
    let wanted = report
    let told = false
    for (let pauseMs = FIRST_PAUSE_MS; !givenUp?.aborted; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      try {
        const verdict = await verdictOn(wanted)
        if (verdict) return settle(wanted, verdict)
        if (!told && performance.now() - started > report.completing!.waitMs) {
          told = true
          log.error({ job_id: report.lease.id }, 'complete() was called, and its transaction is still open')
        }
      } catch (error) {
        if (isRefusal(error)) {
          log.error({ err: error, job_id: report.lease.id }, 'an outcome could not be stored')
          const instead = storableInstead(wanted, error)
          if (!instead) return settle(wanted, { accepted: false })
          wanted = instead
          continue
        }
        log.warn({ err: error, job_id: report.lease.id }, 'an outcome was not answered for; repeating it')
      }
      await pause(pauseMs * (0.75 + Math.random() / 2))
    }
  }

  /** Undefined while somebody else has locked the job. */
  async function verdictOn(report: Report): Promise<Verdict | undefined> {
    const earlier = await look(report)
    if (earlier !== undefined) return { accepted: true, state: earlier }
    const written = await inTurn(report)
    if (written === 'locked') return undefined
    // It may have been committed between the look and the write.
    const state = written === 'gone' ? await look(report) : written.state
    return state === undefined ? { accepted: false } : { accepted: true, state }
  }

  /** At the end nobody has long to wait. */
  const pause = (ms: number): Promise<void> =>
    hurry.signal.aborted ? sleep(FIRST_PAUSE_MS) : sleep(ms, undefined, { signal: hurry.signal }).catch(() => {})

  /** The state that an accepted outcome of this run has left its job in. */
  function look({ lease }: Report): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      asking.push({ lease, resolve, reject })
      looking ??= Promise.resolve().then(ask)
    })
  }

  async function ask(): Promise<void> {
    while (asking.length > 0) {
      const questions = asking
      asking = []
      for (const session of new Set(questions.map(({ lease }) => lease.session))) {
        const asked = questions.filter(({ lease }) => lease.session === session)
        await acceptedBefore(
          db,
          session.id,
          asked.map(({ lease }) => lease),
        ).then(
          (found) => asked.forEach(({ lease, resolve }) => resolve(found.get(lease.id))),
          (error: unknown) => asked.forEach(({ reject }) => reject(error)),
        )
      }
    }
    looking = undefined
  }

  /** One at a time: together they take one connection of the pool. */
  function inTurn(report: Report): Promise<Written> {
    const written = lane.then(() => write(report))
    lane = written.catch(() => {})
    return written
  }

  async function write(report: Report): Promise<Written> {
    const { lease } = report
    // Two commits: a lock that is held from one statement to the next outlives a process that is stopped in between.
    const found = await findLease(db, lease.session.id, lease)
    if (found !== 'free') return found
    const [road] = byRoad([report])
    const state = (await road!.write(db, lease.session, [report], keeping)).get(lease.id)
    return state === undefined ? 'gone' : { state }
  }

  return {
    push(report) {
      const ended = settled(report).finally(() => open.delete(ended))
      open.add(ended)
    },
    async flush(signal) {
      givenUp = signal
      hurry.abort()
      const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      while (open.size > 0 && !signal.aborted) await Promise.race([Promise.all(open), aborted])
    },
  }
}

/** What became of an outcome: its state, or why it was not written. */
type Written = { state: string } | 'locked' | 'gone'

interface Question {
  lease: Report['lease']
  resolve(state: string | undefined): void
  reject(error: unknown): void
}
