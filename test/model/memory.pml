/* What a worker's process remembers; gone with it. */

byte made[WORKERS]             /* sessions registered so far */
byte cur[WORKERS]              /* the session that is trusted, 0: none */
byte former[WORKERS]           /* the session lost before, to be ended first */
bit old[SESSIONS]              /* the worker's monotonic deadline has passed: 90 % of the lease since the last heartbeat was sent */
bit undone[SESSIONS]           /* renewals were undone by a failover: it may expire in spite of the worker's clock */

/* The claims connection: one statement at a time */
#define IDLE    0
#define SENT    1              /* a claim is on its way */
#define BEGUN   2              /* it has looked and locked, and is not committed */
#define DONE    3              /* its answer is on its way */
#define SYNCING 4              /* a sync is on its way */
byte c_ph[WORKERS]
byte c_ses[WORKERS]
byte c_no[WORKERS]             /* of a claim the number of its lease, of a sync the newest number */
byte c_tok[WORKERS]            /* of what it got, 0: nothing */
byte c_att[WORKERS]
bit c_known[WORKERS]           /* a sync: the worker named this job */
byte numbered[WORKERS]
bit sync_due[WORKERS]

/* The lease in the buffer or the slot */
#define BUFFERED 1
#define STOPPED  2             /* the clock was looked at, and the process was stopped before the start */
#define RUNS     3
#define OVER     4             /* its outcome waits for the reporter */
byte l_ph[WORKERS]
byte l_ses[WORKERS]
byte l_tok[WORKERS]
byte l_att[WORKERS]
byte l_no[WORKERS]
bit l_noted[WORKERS]           /* the store has answered that it knows this lease may start */
bit l_undone[WORKERS]          /* leased before the failover, which may have undone the claim */
byte l_kind[WORKERS]           /* the outcome */
bit l_started[WORKERS]

/* A note of starts that is on its way: it has looked at the session and is not committed */
byte n_ses[WORKERS]
byte n_no[WORKERS]

/* The reporter: the outcome that has no verdict yet */
#define WRITING  1
#define ANSWERED 2
#define ASKING   3
byte o_ph[WORKERS]
byte o_ses[WORKERS]
byte o_tok[WORKERS]
byte o_kind[WORKERS]
bit o_started[WORKERS]
bit o_accepted[WORKERS]
bit o_unknown[WORKERS]         /* an answer to it was lost */

/* Statements that nobody waits for any more and that may still be executed */
byte q_ph[WORKERS]             /* a claim (SENT, BEGUN) or a sync (SYNCING) */
byte q_ses[WORKERS]
byte q_no[WORKERS]
bit q_known[WORKERS]
byte z_kind[WORKERS]           /* an outcome or a progress */
byte z_ses[WORKERS]
byte z_tok[WORKERS]
bit z_started[WORKERS]

#define worker_of(s) (((s) - 1) / EACH)
#define session_of(w) (1 + (w) * EACH + made[w])
#define may_fail(w) (spread || (w) == 0)
#define claim_lock(w) (1 + (w))
#define late_lock(w) (1 + WORKERS + (w))

#define knows(w) (l_ph[w] != 0 || (o_ph[w] != 0 && without != SYNC_UNSETTLED))
#define holds_lease(w, s, t) \
  (((l_ph[w] != 0 && l_ses[w] == s && l_tok[w] == t) || \
             (o_ph[w] != 0 && o_ph[w] != ANSWERED && o_ses[w] == s && o_tok[w] == t)))
#define trusts(w, s) (cur[w] == s && !old[s])
