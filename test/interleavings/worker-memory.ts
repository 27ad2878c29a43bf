import type { Known, Report } from './reports.ts'

/** What a worker knows, and what of its few late or repeated statements it has spent. */
export class WorkerMemory {
  session: string | undefined
  sessions = 0
  numbered = 0
  known: Known[] = []
  unsettled: Report[] = []
  sent: Report[] = []
  claiming = false
  syncDue = false
  life = 0
  lateSync = false
  lateClaim = false
  echoes = 0
  progresses = 0
  crashes = 0

  /** All that decides what the worker does next. */
  get all(): unknown {
    const leases = (list: readonly Known[]) =>
      list.map(({ id, token, sessionId, started, unwanted }) => [id, token, sessionId, started, unwanted])
    return [
      this.session,
      this.numbered,
      leases(this.known),
      this.unsettled.map(({ lease, outcome }) => [lease.id, lease.token, lease.sessionId, outcome]),
      this.sent.map(({ lease, outcome }) => [lease.id, lease.token, lease.sessionId, outcome]),
      this.claiming,
      this.syncDue,
      this.lateSync,
      this.lateClaim,
      this.echoes,
      this.progresses,
      this.crashes,
    ]
  }

  begin(session: string): void {
    this.session = session
    this.numbered = 0
    this.syncDue = false
  }

  lose(session: string): void {
    if (this.session === session) this.session = undefined
  }

  /** A crash forgets everything but the numbers. */
  crash(): void {
    this.crashes++
    this.life++
    this.session = undefined
    this.known = []
    this.unsettled = []
    this.claiming = false
    this.syncDue = false
  }
}
