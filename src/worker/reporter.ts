import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { DatabasePool } from '../store/database.ts'
import { isLocked, isRefusal, isUnknown } from '../store/failures.ts'
import type { Keeping } from '../store/history.ts'
import { lockedJobs } from '../store/locked.ts'
import { acceptedBefore } from '../store/outcomes.ts'
import type { LeaseRef, Report, Session, Verdict } from './lease.ts'
import { createOwnTransactions } from './own-transactions.ts'
import { byRoad, storableInstead, type Write } from './store-outcomes.ts'

export interface Reporter {
  /** Takes a report over; its verdict comes by `onVerdict`. */
  push(report: Report): void
  /** Leases whose report has no verdict yet. */
  readonly unsettled: ReadonlyMap<LeaseRef, unknown>
  /** The last act: resolves when everything has its verdict, or when `signal` gives up for good on the rest. */
  flush(signal: AbortSignal): Promise<void>
}

export interface ReporterOptions {
  db: DatabasePool
  keeping: Keeping
  log: Logger
  onVerdict(report: Report, verdict: Verdict): void
}

const MOST_AT_ONCE = 500
/** Postgres takes 256 MB in one JSON array; a batch this large is slow enough. */
const MOST_BYTES = 16_777_216
/** Between two looks at whether everything has its verdict. */
const LOOK_MS = 10
/** A write that takes longer does not hold up the next one. */
const SLOW_MS = 500
const MOST_IN_FLIGHT = 3
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2_000
/** So often a batch that the server refuses for no known reason is tried as a whole. */
const TRIES_TOGETHER = 3
/** So many of a batch are tried alone in vain before it is taken to be about none of them; twice as many the next time. */
const FIRST_IN_VAIN = 10
const MOST_IN_VAIN = 80

/**
 * Writes outcomes in batches: what comes in while one write is under way goes into the next. A write whose answer is
 * lost is repeated until the store has said its word; the store takes the same outcome twice and counts it once. One
 * outcome that the store cannot take never holds up the others.
 */
export function createReporter({ db, keeping, log, onVerdict }: ReporterOptions): Reporter {
  let waiting: Report[] = []
  const unsettled = new Map<LeaseRef, number>()
  /** An answer to these was lost before: the store may have taken them. */
  const doubtful = new WeakSet<Report>()
  const underWay = { quick: 0, slow: 0 }
  let givenUp: AbortSignal | undefined
  let gathering = false
  const ownTransactions = createOwnTransactions({ db, keeping, log, settle })

  function settle(report: Report, verdict: Verdict): void {
    const { lease } = report
    const left = unsettled.get(lease)! - 1
    if (left > 0) unsettled.set(lease, left)
    else unsettled.delete(lease)
    onVerdict(report, verdict)
  }

  /** One write at a time gathers the most; what fills a batch already is written beside it, so that nobody stands idle. */
  function writeWaiting(): void {
    while (waiting.length > 0 && !givenUp?.aborted && mayWrite()) {
      const batch = takeBatch()
      const writes = [...bySession(batch)].flatMap(([session, reports]) => writesOf(session, reports))
      let pace: 'quick' | 'slow' = 'quick'
      underWay.quick++
      const becomeSlow = setTimeout(() => {
        underWay.quick--
        underWay.slow++
        pace = 'slow'
        writeWaiting()
      }, SLOW_MS)
      void Promise.allSettled(writes).then(() => {
        clearTimeout(becomeSlow)
        underWay[pace]--
        writeWaiting()
      })
    }
  }

  function mayWrite(): boolean {
    const { quick, slow } = underWay
    return quick < (waiting.length >= MOST_AT_ONCE ? 2 : 1) && quick + slow < MOST_IN_FLIGHT
  }

  function takeBatch(): Report[] {
    let bytes = 0
    let count = 0
    while (count < waiting.length && count < MOST_AT_ONCE && (count === 0 || bytes < MOST_BYTES)) {
      bytes += sizeOf(waiting[count++]!)
    }
    const batch = waiting.slice(0, count)
    waiting = waiting.slice(count)
    return batch
  }

  function writesOf(session: Session, reports: Report[]): Promise<void>[] {
    return byRoad(reports).map(({ batch, write }) => writeUntilAnswered(session, batch, write))
  }

  async function writeUntilAnswered(session: Session, reports: Report[], write: Write): Promise<void> {
    let batch = reports
    for (let pauseMs = FIRST_PAUSE_MS, tries = 1; ; tries++, pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      try {
        return await writeOnce(session, batch, write)
      } catch (error) {
        const refused = isRefusal(error)
        // A batch may be several statements, of which the first were taken.
        if (!refused || batch.length > 1) for (const report of batch) doubtful.add(report)
        if (refused && batch.length === 1) return writeInstead(session, [[batch[0]!, error]])
        if (givenUp?.aborted && !refused) return
        if (isLocked(error)) {
          const free = await withoutLocked(batch).catch(() => batch)
          if (free.length < batch.length) return free.length > 0 ? writeUntilAnswered(session, free, write) : undefined
        }
        const vain = tries >= TRIES_TOGETHER && !isLocked(error) && !isUnknown(error)
        if (batch.length > 1 && (refused || vain)) {
          batch = await writeApart(session, batch, write, FIRST_IN_VAIN * 2 ** Math.max(0, tries - TRIES_TOGETHER))
          if (batch.length === 0) return
        }
        log.warn({ err: error, outcomes: batch.length }, 'outcomes were not answered for; repeating them')
        await sleep(pauseMs * (0.75 + Math.random() / 2), undefined, givenUp && { signal: givenUp }).catch(() => {})
      }
    }
  }

  async function writeOnce(session: Session, batch: readonly Report[], write: Write): Promise<void> {
    const accepted = await write(db, session, batch, keeping)
    const asked = batch.filter((report) => doubtful.has(report) && !accepted.has(report.lease.id))
    const earlier =
      asked.length > 0
        ? await acceptedBefore(
            db,
            session.id,
            asked.map(({ lease }) => lease),
          )
        : undefined
    for (const report of batch) {
      const state = accepted.get(report.lease.id) ?? earlier?.get(report.lease.id)
      settle(report, state === undefined ? { accepted: false } : { accepted: true, state })
    }
  }

  /**
   * Something in this batch is more than the store can take, or makes the server fail again and again: the others must
   * not pay for it. Writes each alone; where some can be written, the others go on beside everybody's way. Gives what is
   * still to be written together, the untried first.
   */
  async function writeApart(
    session: Session,
    batch: readonly Report[],
    write: Write,
    inVain: number,
  ): Promise<Report[]> {
    const mostInVain = Math.min(MOST_IN_VAIN, inVain)
    const failed: Report[] = []
    const refused: Refused[] = []
    let rest: readonly Report[] = []
    let away = false
    for (const [index, report] of batch.entries()) {
      if (away || (failed.length === index && failed.length === mostInVain)) {
        rest = batch.slice(index)
        break
      }
      await writeOnce(session, [report], write).catch((error: unknown) => {
        if (isRefusal(error)) return refused.push([report, error])
        away = isUnknown(error)
        return failed.push(report)
      })
    }
    if (refused.length > 0) void writeInstead(session, refused)
    if (away || failed.length + rest.length === batch.length) return [...rest, ...failed]
    for (const report of failed) void writeUntilAnswered(session, [report], write)
    return []
  }

  /** Somebody else holds some of these jobs for longer than anybody waits: they come back when he lets go. */
  async function withoutLocked(batch: Report[]): Promise<Report[]> {
    const locked = await lockedJobs(
      db,
      batch.map(({ lease }) => lease.id),
    )
    for (const report of batch) if (locked.has(report.lease.id)) void returnWhenFree(report)
    return batch.filter(({ lease }) => !locked.has(lease.id))
  }

  async function returnWhenFree(report: Report): Promise<void> {
    const { id } = report.lease
    log.warn({ job_id: id }, 'somebody has locked a job whose outcome is to be written; waiting for it')
    for (let pauseMs = FIRST_PAUSE_MS; !givenUp?.aborted; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      await sleep(pauseMs * (0.75 + Math.random() / 2), undefined, givenUp && { signal: givenUp }).catch(() => {})
      const locked = await lockedJobs(db, [id]).catch(() => undefined)
      if (locked?.size === 0) return enqueue(report)
    }
  }

  async function writeInstead(session: Session, refused: readonly Refused[]): Promise<void> {
    const instead: Report[] = []
    for (const [report, cause] of refused) {
      log.error({ err: cause, job_id: report.lease.id }, 'an outcome could not be stored')
      const storable = storableInstead(report, cause)
      if (!storable) {
        settle(report, { accepted: false })
        continue
      }
      if (doubtful.has(report)) doubtful.add(storable)
      instead.push(storable)
    }
    await Promise.all(writesOf(session, instead))
  }

  function enqueue(report: Report): void {
    waiting.push(report)
    if (gathering) return
    gathering = true
    // One microtask gathers what ends in the same turn of the loop.
    queueMicrotask(() => {
      gathering = false
      writeWaiting()
    })
  }

  return {
    unsettled,
    push(report) {
      unsettled.set(report.lease, (unsettled.get(report.lease) ?? 0) + 1)
      if (report.completing) return ownTransactions.push(report)
      enqueue(report)
    },
    async flush(signal) {
      givenUp = signal
      const own = ownTransactions.flush(signal)
      while (unsettled.size > 0 && !signal.aborted) await sleep(LOOK_MS, undefined, { signal }).catch(() => {})
      await own
    },
  }
}

/** An outcome that the store cannot take, and what it said. */
type Refused = readonly [Report, cause: unknown]

const sizeOf = ({ outcome }: Report): number => ('resultJson' in outcome ? outcome.resultJson.length : 500)

function bySession(reports: Report[]): Map<Session, Report[]> {
  const { session } = reports[0]!.lease
  if (reports.every(({ lease }) => lease.session === session)) return new Map([[session, reports]])
  const groups = new Map<Session, Report[]>()
  for (const report of reports) {
    const group = groups.get(report.lease.session)
    if (group) group.push(report)
    else groups.set(report.lease.session, [report])
  }
  return groups
}
