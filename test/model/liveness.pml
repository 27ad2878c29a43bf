/*
 * The same model where heartbeats go on for ever, so that "for ever" is not "until nothing happens any more". Checked
 * under weak fairness: whoever can always go on does so some time. Faults are bounded: with faults for ever nothing ends.
 */
#define LIVENESS
#ifndef WORKERS
#define WORKERS 1              /* it may crash, lose its session and come back under others */
#endif
#include "lease.pml"

#define abandoned (st == RUNNING && !alive(ses))
#define unheard   (st == RUNNING && alive(ses) && followed(ses) && !knows(worker_of(ses)))

/* Every job ends */
ltl ends { <>[] (st == FINAL) }
/* Nothing stays running for ever under a session that has ended, expired or is not there */
ltl taken_back { [] (abandoned -> <> !abandoned) }
/* Nothing that its worker does not know of lives for ever on that worker's heartbeat */
ltl found { [] (unheard -> <> !unheard) }
