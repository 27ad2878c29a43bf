/*
 * The rows of the database, as far as the protocol reads them, and what the properties remember beside them.
 *
 * One job is enough: every fence is a condition on that job's own row and on the session named in it, and no statement
 * decides about one job by looking at another.
 */

/* Budgets and the fence that is left out: constants of one run, so they are no part of a state where they stay the same. */
hidden byte without            /* which fence is left out, see fences.pml */
hidden byte without_token      /* the statement whose token is not compared */
hidden byte without_session    /* the statement whose session is not compared */
hidden byte without_state      /* the statement whose state is not compared */

byte crashes                   /* worker processes killed; they come back at once, with a new session */
byte stops                     /* a worker is stopped (SIGSTOP) between its look at the clock and the start */
byte losses                    /* answers lost after, or before, their statement went through */
byte ages                      /* a worker is not heard until its local deadline has passed */
byte failovers                 /* a standby that lags behind takes over: what was committed since `snapshot` is undone */
byte cancels                   /* a person cancels */
byte uncounted                 /* handlers that snooze, or are released by a shutdown */
byte reports                   /* progress written by a handler */
byte ahead                     /* claims made while the worker still runs this job */
hidden byte anywhere           /* 1: the standby may lag at any moment, 0: where a claim is what it undoes */
hidden byte patient            /* 1: recovery takes jobs of sessions that are ended or missing only; 0: of expired ones too */
hidden byte spread             /* 1: all workers meet with faults, 0: the first only */
hidden byte notes              /* 1: claims note no starts (the slots are taken), each start is noted before it */
hidden byte endless            /* 1: heartbeats go on for ever, which liveness needs */

#define PENDING 0              /* ready to be leased */
#define WAITING 1              /* scheduled or retrying: due some time */
#define RUNNING 2
#define FINAL   3              /* moved to history: no row of `jobs` any more */

#define MAX_ATTEMPTS 2
#define MAX_LOST     2
#define MAX_GIVEN    1         /* so often a lease goes back uncounted because its delivery was lost */

/* forgeq.jobs */
byte st = PENDING
byte tok                       /* grows with each claim */
byte ses                       /* who holds it; 0 unless RUNNING (constraint lease_iff_running) */
byte no                        /* lease_no */
byte att                       /* attempt */
byte lost
byte given                     /* given_back */
bit canc                       /* cancel_requested_at */
byte lock                      /* who has locked the row, 0: nobody. Not stored: gone with its backend */

/* forgeq.jobs.attempts and the end in forgeq.finished_jobs: by token, whose outcome stands there */
#define TOKENS 9
byte rec_ses[TOKENS]
bit rec_lost[TOKENS]           /* written by recovery, not by the worker */

/* forgeq.sessions */
#define MISSING 0
#define LIVE    1
#define EXPIRED 2              /* by the database's clock; nobody has ended it yet */
#define ENDED   3
#define SESSIONS (WORKERS * EACH + 2)
#define NOBODY (SESSIONS - 1)  /* the session 0000…, which is never there */
byte sst[SESSIONS]
byte noted[SESSIONS]           /* forgeq.session_starts.upto: leases up to this number may have been started */
bit beat[SESSIONS]             /* a heartbeat has locked the row */

/* What only the properties know of the store: the newest lease and whether it is over. */
byte g_tok
byte g_ses
bit g_open
bit g_started                  /* its handler has started */
byte g_counted                 /* counted runs that have ended */
bit raced                      /* recovery took a job of a session that had expired but whose heartbeat had looked before that and
                                  was not yet committed: it revives, and its worker trusts it again. See `patient` */
bit twice                      /* a failover undid a claim, and the same session was handed the same token once more while its
                                  worker still held the first: the store cannot tell these two apart. Promised is nothing
                                  then (such a standby has lost commits); what goes on being checked is all but the order
                                  of these two and the number of attempts */

#define alive(s) (sst[s] == LIVE)
#define gone(s) (sst[s] == ENDED || sst[s] == MISSING || (sst[s] == EXPIRED && !patient))

/*
 * The properties. Their names are never true: they make `pan` print which one is violated.
 *
 * newest_only       what is accepted (an outcome, progress) comes from the newest lease, while that is open: so a token has
 *                   one outcome at most, and nothing counts that comes after a newer claim
 * tokens_grow       a claim hands out a token that is greater than all before (a failover forgets some, with what they did)
 * runs_bounded      counted runs, losses and uncounted returns stay within their maximum
 * final_stays       a job in a final state is written by nobody
 * live_kept         recovery takes nothing from a session that lives
 * known_kept        sync takes nothing that its worker knows
 * held_at_start     a worker in time starts only what it holds
 * one_trusted       no two workers in time run the job at once
 * cancel_stands     a job that somebody asked to cancel is not leased again
 * verdict_true      a repeated outcome is `accepted` if and only if this very lease's outcome stands in the history
 * sync_is_last      a claim of a session does not commit after the sync that was to find it
 * recovery_decides  recovery writes only about the lease that it has decided about
 * started_pays      a run that has started is counted when it is lost
 * every_job_ends    when nothing more can happen, the job has ended
 */
hidden byte newest_only, tokens_grow, runs_bounded, final_stays, live_kept, known_kept, held_at_start, one_trusted,
  cancel_stands, verdict_true, sync_is_last, recovery_decides, started_pays, every_job_ends
#define must(property, condition) assert(property || (condition))
