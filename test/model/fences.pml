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
#define RECOVERY_LOCK        5 /* lost jobs are read without `for update` */
#define RECOVERY_GUARD       6 /* recover_jobs writes by id alone */
#define RECOVERY_LOCK_GUARD  7 /* both */
#define RECOVERY_LIVE        8 /* recover_jobs does not look at the session again */
#define RECOVERY_LATE_CLAIM  9 /* recovery takes only jobs of sessions that it ends in the same pass */
#define SYNC_ALONE          10 /* sync while a claim is under way */
#define SYNC_BACKEND        11 /* sync before the backend of a lost claim is gone */
#define SYNC_UPTO           12 /* sync of leases with any number */
#define SYNC_UNSETTLED      13 /* sync forgets outcomes that have no verdict yet */
#define SYNC_CANCEL         14 /* sync gives back what is to be cancelled */
#define SYNC_EVER           15 /* no sync at all */
#define WORKER_CLOCK        16 /* the worker starts without a look at its clock */
#define WORKER_SENT         17 /* the worker counts its lease from the answer of the heartbeat */
#define TOKEN_GROWS         18 /* claim_jobs gives the same token again */
#define ASK_BEFORE          19 /* an outcome that is refused when it is repeated counts as refused */
#define BEFORE_LOST         20 /* accepted_before takes a loss that recovery wrote for an outcome */
#define REQUEUE_CANCEL      21 /* requeue_jobs forgets a wish to cancel */
#define RECOVER_CANCEL      22 /* recovery forgets it */
#define GIVEN_BOUND         23 /* sync gives back as often as it likes */
#define LEASE_IFF_RUNNING   24 /* requeue_jobs leaves the session in the row, and no statement looks at the state */
#define SESSION_END         25 /* a worker that has lost its session does not end it, nor does recovery */
#define RECOVERY_MISSING    26 /* recovery does not take jobs of a session that is not there */
#define FINAL_ROW           27 /* what has ended stays where it is, instead of being deleted */
#define NOTE_STARTS         28 /* the worker starts what is not noted yet */
