/*
 * Each fence that can be left out has a number here; the table in mutants.ts knows them by these names. One is left out by
 * setting WITHOUT, WITHOUT_TOKEN, WITHOUT_SESSION or WITHOUT_STATE in the environment of `pan`, so that one compiled
 * checker serves for all of them.
 */

/* without_token, without_session, without_state: the group of statements that leaves the comparison out */
#define COMPLETE 1             /* forgeq:complete_jobs, forgeq:complete_in_transaction */
#define FINISH   2             /* forgeq:finish_jobs, forgeq:finish_keyed_jobs: dead; a cancellation confirmed goes the same way */
#define RETRY    3             /* forgeq:requeue_jobs, counted: a failure */
#define RELEASE  4             /* forgeq:requeue_jobs, not counted: snooze, release, what was never started */
#define PROGRESS 5             /* forgeq:write_progress */
#define BEFORE   6             /* forgeq:accepted_before */

/* without */
#define CLAIM_SESSION        1 /* claim_jobs does not look at the session */
#define HEARTBEAT_EXPIRED    2 /* heartbeat renews a session that has expired */
#define HEARTBEAT_ENDED      3 /* heartbeat calls a session that has ended alive */
#define SESSION_REVIVES      4 /* heartbeat makes an ended session live again */
#define RECOVERY_GUARD       5 /* recover_jobs writes by id alone */
#define RECOVERY_LIVE        6 /* recover_jobs does not look at the session again */
#define RECOVERY_LATE_CLAIM  7 /* recovery takes only jobs of sessions that it ends in the same pass */
#define SYNC_ALONE           8 /* sync while a claim is under way */
#define SYNC_BACKEND         9 /* sync before the backend of a lost claim is gone */
#define SYNC_UPTO           10 /* sync of leases with any number */
#define SYNC_UNSETTLED      11 /* sync forgets outcomes that have no verdict yet */
#define SYNC_CANCEL         12 /* sync gives back what is to be cancelled */
#define SYNC_EVER           13 /* no sync at all */
#define WORKER_CLOCK        14 /* the worker starts without a look at its clock */
#define WORKER_SENT         15 /* the worker counts its lease from the answer of the heartbeat */
#define TOKEN_GROWS         16 /* claim_jobs gives the same token again */
#define ASK_BEFORE          17 /* an outcome that is refused when it is repeated counts as refused */
#define BEFORE_LOST         18 /* accepted_before takes a loss that recovery wrote for an outcome */
#define REQUEUE_CANCEL      19 /* requeue_jobs forgets a wish to cancel */
#define RECOVER_CANCEL      20 /* recover_jobs does not look whether somebody has asked to cancel since */
#define GIVEN_BOUND         21 /* sync gives back as often as it likes */
#define LEASE_IFF_RUNNING   22 /* requeue_jobs leaves the session in the row, and no statement looks at the state */
#define SESSION_END         23 /* a worker that has lost its session does not end it, nor does recovery */
#define RECOVERY_MISSING    24 /* recovery does not take jobs of a session that is not there */
#define FINAL_ROW           25 /* what has ended stays where it is, instead of being deleted */
#define NOTE_STARTS         26 /* the worker starts what is not noted yet */
