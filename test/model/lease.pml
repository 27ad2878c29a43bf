/*
 * The lease protocol: who may write about a job, and who may start it, whatever is late, lost or dead. To be checked with
 * Spin; README.md tells how, and what holds.
 *
 * Read in this order: rows.pml (the rows and the properties), fences.pml (what can be left out), memory.pml (what a
 * worker remembers), statements.pml (the SQL, each statement one step), worker.pml (claims, sync, starts, outcomes),
 * late.pml (what is executed after nobody waits for it any more), heartbeat.pml, recovery.pml, others.pml (the
 * scheduler, a person, time), failover.pml (a standby that lags).
 *
 * There is one job: every fence is a condition on its own row and on the session named in it. Each worker has one slot and
 * a buffer of one; crashed, it comes back at once with a new session, and what it had sent may still be executed at any
 * later time. Time is a step: a worker's own deadline may pass (a budget, or that of a session nobody follows), and only
 * then may its session expire by the database's clock.
 *
 * Left out, because no fence hangs on it: lanes, priorities, batches and limits (which jobs are leased, not whether);
 * payloads, results and delays; quarantine (which runs are to blame, not who may write); a retry by a person, which gives
 * a job another turn under the next token as a failure does; the transaction of a handler's own, which writes by the
 * condition of complete_jobs under a lock taken earlier; queues that are paused.
 * A clock of the database that is set back is left out because it is not promised to be harmless.
 */
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef RECOVERERS
#define RECOVERERS 1           /* servers whose recovery takes jobs back */
#endif
#define EACH 3                 /* sessions that a worker may register, one after the other */
#include "rows.pml"
#include "fences.pml"
#include "memory.pml"
#include "statements.pml"
#include "worker.pml"
#include "late.pml"
#include "heartbeat.pml"
#include "recovery.pml"
#include "others.pml"
#include "failover.pml"

c_decl {
  \#include <stdlib.h>
  static int knob(const char *name) { const char *text = getenv(name); return text ? atoi(text) : 0; }
}

init {
  c_code {
    without = knob("WITHOUT");
    without_token = knob("WITHOUT_TOKEN");
    without_session = knob("WITHOUT_SESSION");
    without_state = knob("WITHOUT_STATE");
    anywhere = knob("ANYWHERE");
    patient = knob("PATIENT");
    spread = knob("SPREAD");
    notes = knob("NOTES");
    endless = knob("ENDLESS");
    now.crashes = knob("CRASHES");
    now.stops = knob("STOPS");
    now.losses = knob("LOSSES");
    now.ages = knob("AGES");
    now.failovers = knob("FAILOVERS");
    now.cancels = knob("CANCELS");
    now.uncounted = knob("UNCOUNTED");
    now.reports = knob("REPORTS");
    now.ahead = knob("AHEAD");
  };
  atomic {
    byte w = 0;
    do
    :: w < WORKERS -> run Worker(w); run Late(w); run Heartbeat(w); w++
    :: else -> break
    od;
    w = 1;
    do
    :: w < NOBODY -> run Clock(w); w++
    :: else -> break
    od;
    w = 0;
    do
    :: w < RECOVERERS -> run Recovery(w); w++
    :: else -> break
    od;
    w = 0;
    run Scheduler(); run Person(); run Failover();
#ifndef LIVENESS
    run Judge()
#endif

  }
}
