import type { Knobs } from './spin.ts'

/** Fences that are left out, by their names in fences.pml. */
export type Left = Readonly<Partial<Record<'WITHOUT' | 'WITHOUT_TOKEN' | 'WITHOUT_SESSION' | 'WITHOUT_STATE', string>>>

export interface Mutant {
  left: Left
  /** What the product would do. */
  what: string
  /** Faults under which it shows. */
  faults: Knobs
  breaks: string
}

export const MUTANTS: readonly Mutant[] = [
  mutant(
    'complete_jobs does not compare the token',
    { WITHOUT_TOKEN: 'COMPLETE' },
    { AGES: 1, AHEAD: 1 },
    'newest_only',
  ),
  mutant('finish_jobs does not compare the token', { WITHOUT_TOKEN: 'FINISH' }, { AGES: 1, AHEAD: 1 }, 'newest_only'),
  mutant(
    'requeue_jobs of a failure does not compare the token',
    { WITHOUT_TOKEN: 'RETRY' },
    { LOSSES: 1 },
    'newest_only',
  ),
  mutant(
    'requeue_jobs of a snooze or release does not compare the token',
    { WITHOUT_TOKEN: 'RELEASE' },
    { LOSSES: 1, UNCOUNTED: 1 },
    'newest_only',
  ),
  mutant('write_progress does not compare the token', { WITHOUT_TOKEN: 'PROGRESS' }, { REPORTS: 1 }, 'newest_only'),

  mutant(
    'complete_jobs does not compare the session',
    { WITHOUT_SESSION: 'COMPLETE' },
    { FAILOVERS: 1 },
    'newest_only',
  ),
  mutant('finish_jobs does not compare the session', { WITHOUT_SESSION: 'FINISH' }, { FAILOVERS: 1 }, 'newest_only'),
  mutant(
    'requeue_jobs of a failure does not compare the session',
    { WITHOUT_SESSION: 'RETRY' },
    { FAILOVERS: 1 },
    'newest_only',
  ),
  mutant(
    'requeue_jobs of a snooze or release does not compare the session',
    { WITHOUT_SESSION: 'RELEASE' },
    { FAILOVERS: 1, UNCOUNTED: 1 },
    'newest_only',
  ),
  mutant(
    'write_progress does not compare the session',
    { WITHOUT_SESSION: 'PROGRESS' },
    { FAILOVERS: 1, REPORTS: 1 },
    'newest_only',
  ),
  mutant(
    'accepted_before does not compare the session',
    { WITHOUT_SESSION: 'BEFORE' },
    { FAILOVERS: 1 },
    'verdict_true',
  ),

  mutant(
    'complete_jobs compares neither state nor session',
    { WITHOUT_STATE: 'COMPLETE', WITHOUT_SESSION: 'COMPLETE' },
    { AGES: 1 },
    'newest_only',
  ),
  mutant(
    'finish_jobs compares neither state nor session',
    { WITHOUT_STATE: 'FINISH', WITHOUT_SESSION: 'FINISH' },
    { AGES: 1 },
    'newest_only',
  ),
  mutant(
    'requeue_jobs of a failure compares neither state nor session',
    { WITHOUT_STATE: 'RETRY', WITHOUT_SESSION: 'RETRY' },
    { LOSSES: 1 },
    'newest_only',
  ),
  mutant(
    'requeue_jobs of a snooze or release compares neither state nor session',
    { WITHOUT_STATE: 'RELEASE', WITHOUT_SESSION: 'RELEASE' },
    { LOSSES: 1, UNCOUNTED: 1 },
    'newest_only',
  ),
  mutant(
    'write_progress compares neither state nor session',
    { WITHOUT_STATE: 'PROGRESS', WITHOUT_SESSION: 'PROGRESS' },
    { LOSSES: 1, REPORTS: 1 },
    'newest_only',
  ),
  mutant(
    'a job that waits keeps its session, and no statement compares the state',
    { WITHOUT: 'LEASE_IFF_RUNNING' },
    { LOSSES: 1 },
    'newest_only',
  ),
  mutant(
    'a job that has ended keeps its row, and complete_jobs does not compare the state',
    { WITHOUT: 'FINAL_ROW', WITHOUT_STATE: 'COMPLETE' },
    { LOSSES: 1 },
    'final_stays',
  ),

  mutant('claim_jobs does not look at the session', { WITHOUT: 'CLAIM_SESSION' }, { FAILOVERS: 1 }, 'held_at_start'),
  mutant('claim_jobs hands out the same token again', { WITHOUT: 'TOKEN_GROWS' }, { LOSSES: 1 }, 'tokens_grow'),
  mutant('heartbeat renews a session that has expired', { WITHOUT: 'HEARTBEAT_EXPIRED' }, { AGES: 1 }, 'held_at_start'),
  mutant(
    'heartbeat calls a session alive that has ended',
    { WITHOUT: 'HEARTBEAT_ENDED' },
    { AGES: 1 },
    'held_at_start',
  ),
  mutant('an ended session revives', { WITHOUT: 'SESSION_REVIVES' }, { AGES: 1 }, 'held_at_start'),

  mutant('recover_jobs writes by id alone', { WITHOUT: 'RECOVERY_GUARD' }, { AGES: 1 }, 'recovery_decides'),
  mutant('recover_jobs does not look at the session again', { WITHOUT: 'RECOVERY_LIVE' }, { AGES: 1 }, 'live_kept'),
  mutant(
    'recovery takes only jobs of sessions that it has just ended',
    { WITHOUT: 'RECOVERY_LATE_CLAIM' },
    { CRASHES: 1 },
    'every_job_ends',
  ),
  mutant(
    'recovery does not take jobs of a session that is not there',
    { WITHOUT: 'RECOVERY_MISSING' },
    { LOSSES: 2 },
    'every_job_ends',
  ),
  mutant(
    'recover_jobs does not look whether somebody has asked to cancel since',
    { WITHOUT: 'RECOVER_CANCEL' },
    { CANCELS: 1, CRASHES: 1 },
    'cancel_stands',
  ),
  mutant('requeue_jobs forgets a wish to cancel', { WITHOUT: 'REQUEUE_CANCEL' }, { CANCELS: 1 }, 'cancel_stands'),
  mutant('a worker starts what is not noted', { WITHOUT: 'NOTE_STARTS' }, { NOTES: 1, CRASHES: 1 }, 'started_pays'),

  mutant('sync while a claim is under way', { WITHOUT: 'SYNC_ALONE' }, { LOSSES: 2 }, 'held_at_start'),
  mutant("sync before the lost claim's backend is gone", { WITHOUT: 'SYNC_BACKEND' }, { LOSSES: 1 }, 'sync_is_last'),
  mutant('sync of leases beyond the newest number', { WITHOUT: 'SYNC_UPTO' }, { LOSSES: 2 }, 'held_at_start'),
  mutant('sync forgets outcomes without a verdict', { WITHOUT: 'SYNC_UNSETTLED' }, { LOSSES: 1 }, 'known_kept'),
  mutant(
    'sync gives back what is to be cancelled',
    { WITHOUT: 'SYNC_CANCEL' },
    { LOSSES: 1, CANCELS: 1 },
    'cancel_stands',
  ),
  mutant('sync gives back without a bound', { WITHOUT: 'GIVEN_BOUND' }, { LOSSES: 2 }, 'runs_bounded'),
  mutant('no sync', { WITHOUT: 'SYNC_EVER' }, { LOSSES: 1 }, 'every_job_ends'),

  mutant('a worker starts without a look at its clock', { WITHOUT: 'WORKER_CLOCK' }, { AGES: 1 }, 'held_at_start'),
  mutant(
    'a worker counts its lease from the answer of the heartbeat',
    { WITHOUT: 'WORKER_SENT' },
    { AGES: 1 },
    'held_at_start',
  ),
  mutant(
    'a repeated outcome that is refused is not looked for',
    { WITHOUT: 'ASK_BEFORE' },
    { LOSSES: 1 },
    'verdict_true',
  ),
  mutant(
    'accepted_before takes a loss for an outcome',
    { WITHOUT: 'BEFORE_LOST' },
    { LOSSES: 1, AGES: 1 },
    'verdict_true',
  ),
]

/** The same, shown by a formula about all that follows. */
export const LIVE_MUTANTS: readonly Mutant[] = [
  mutant('no sync', { WITHOUT: 'SYNC_EVER' }, { LOSSES: 1 }, 'found'),
  mutant('no sync', { WITHOUT: 'SYNC_EVER' }, { LOSSES: 1 }, 'ends'),
  mutant(
    'recovery takes only jobs of sessions that it has just ended',
    { WITHOUT: 'RECOVERY_LATE_CLAIM' },
    { CRASHES: 1 },
    'taken_back',
  ),
  mutant(
    'recovery does not take jobs of a session that is not there',
    { WITHOUT: 'RECOVERY_MISSING' },
    { LOSSES: 2 },
    'taken_back',
  ),
]

export interface Spare {
  left: Left
  what: string
  /** Why nothing breaks. */
  because: string
  faults: Knobs
}

/** What no property misses, because something else holds the same: it stays in the product as the second of two locks. */
export const SPARE: readonly Spare[] = [
  ...['COMPLETE', 'FINISH', 'RETRY', 'RELEASE', 'PROGRESS'].map((statement) => ({
    left: { WITHOUT_STATE: statement },
    what: `${statement.toLowerCase()} does not compare the state`,
    because: 'a row has a session only while it runs (constraint lease_iff_running)',
    faults: { LOSSES: 1, UNCOUNTED: 1, REPORTS: 1 },
  })),
  {
    left: { WITHOUT: 'FINAL_ROW' },
    what: 'a job that has ended keeps its row',
    because: 'every statement compares the state',
    faults: { LOSSES: 1 },
  },
  {
    left: { WITHOUT: 'SESSION_END' },
    what: 'nobody ends a session',
    because: 'it expires all the same, and recovery takes from expired ones',
    faults: { AGES: 1, CANCELS: 1 },
  },
]

function mutant(what: string, left: Left, faults: Knobs, breaks: string): Mutant {
  return { what, left, faults, breaks }
}
