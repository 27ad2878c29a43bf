/*
 * A worker: the dispatcher with its claims connection, one slot and its buffer, and the reporter (src/worker/dispatcher.ts,
 * store-leases.ts, session-keeper.ts, reporter.ts). Every arrow is something that the process does in one go; between
 * two arrows anything may happen, so a worker that is slow, blocked or stopped needs no step of its own, except
 * between its look at the clock and the start that follows.
 */

/* forgeq:end_session */
inline end_session(s) { if :: alive(s) || sst[s] == EXPIRED -> sst[s] = ENDED :: else fi }

/* SessionKeeper.lose: from here on nothing is done under the session; what is buffered goes back */
inline lose(w) {
  former[w] = cur[w];
  cur[w] = 0;
  if
  :: l_ph[w] == BUFFERED && l_ses[w] == former[w] -> l_ph[w] = OVER; l_kind[w] = RELEASE; l_started[w] = 0
  :: else
  fi
}

inline forget_claim(w) { c_ph[w] = IDLE; c_ses[w] = 0; c_no[w] = 0; c_tok[w] = 0; c_att[w] = 0; c_known[w] = 0; }
inline forget_lease(w) {
  l_ph[w] = 0; l_ses[w] = 0; l_tok[w] = 0; l_att[w] = 0; l_no[w] = 0; l_noted[w] = 0; l_undone[w] = 0; l_kind[w] = 0; l_started[w] = 0
}
inline forget_outcome(w) {
  o_ph[w] = 0; o_ses[w] = 0; o_tok[w] = 0; o_kind[w] = 0; o_started[w] = 0; o_accepted[w] = 0; o_unknown[w] = 0
}
inline forget_late_claim(w) { q_ph[w] = 0; q_ses[w] = 0; q_no[w] = 0; q_known[w] = 0 }
inline forget_late_outcome(w) { z_kind[w] = 0; z_ses[w] = 0; z_tok[w] = 0; z_started[w] = 0 }

/* Nobody reads the answer any more; what has not been executed may be, later */
inline leave_claim(w) {
  if
  :: c_ph[w] != DONE ->
     q_ph[w] = c_ph[w]; q_ses[w] = c_ses[w]; q_no[w] = c_no[w]; q_known[w] = c_known[w];
     if :: c_ph[w] == BEGUN -> lock = late_lock(w) :: else fi
  :: else
  fi;
  forget_claim(w)
}
inline leave_outcome(w) {
  if
  :: o_ph[w] == WRITING -> z_kind[w] = o_kind[w]; z_ses[w] = o_ses[w]; z_tok[w] = o_tok[w]; z_started[w] = o_started[w]
  :: else
  fi
}

/* No two workers that trust their sessions run the job at once */
hidden byte v
inline one_at_a_time(me) {
  v = 0;
  do
  :: v < WORKERS ->
     must(one_trusted, raced || twice || l_undone[me] || undone[l_ses[me]] || v == me || l_ph[v] != RUNS || !trusts(v, l_ses[v]) || l_undone[v] || undone[l_ses[v]]);
     v++
  :: else -> break
  od;
  v = 0
}

inline started(w) {
  l_ph[w] = RUNS;
  if :: g_open && g_ses == l_ses[w] && g_tok == l_tok[w] && !l_undone[w] -> g_started = 1 :: else fi
}

proctype Worker(byte w) {
end:
  do
  /* forgeq:end_session of the former one comes before the new registration */
  :: d_step { former[w] != 0 && !beat[former[w]] ->
       if :: without != SESSION_END -> end_session(former[w]) :: else fi;
       former[w] = 0 }

  /* forgeq:register_session. The claims follow: numbers begin again, an earlier session's leases are recovery's */
  :: d_step { cur[w] == 0 && former[w] == 0 && made[w] < EACH ->
       cur[w] = session_of(w); made[w]++; sst[cur[w]] = LIVE; numbered[w] = 0; sync_due[w] = 0 }

  /* A deadline that has passed is noticed */
  :: d_step { cur[w] != 0 && old[cur[w]] && without != WORKER_CLOCK -> lose(w) }

  /* A claim is sent. While this job still runs here, one that finds it again is part of the budget */
  :: d_step { cur[w] != 0 && c_ph[w] == IDLE && !sync_due[w] && st == PENDING && (l_ph[w] == 0 || (l_ph[w] == RUNS && ahead > 0)) ->
       if :: l_ph[w] == RUNS -> ahead-- :: else fi;
       c_ph[w] = SENT; c_ses[w] = cur[w]; numbered[w]++; c_no[w] = numbered[w] }
  /* forgeq:claim_jobs looks and locks */
  :: d_step { c_ph[w] == SENT ->
       if :: claimable(c_ses[w]) -> lock = claim_lock(w); c_ph[w] = BEGUN :: else -> c_ph[w] = DONE fi }
  /* forgeq:claim_jobs commits */
  :: d_step { c_ph[w] == BEGUN -> 
       claim_commit(c_ses[w], c_no[w]);
       c_tok[w] = tok; c_att[w] = att; c_ph[w] = DONE }
  /* Its answer: nothing, a lease for the buffer, or one that goes back at once */
  :: d_step { c_ph[w] == DONE && c_tok[w] == 0 ->
       if :: cur[w] == c_ses[w] -> numbered[w] = c_no[w] - 1 :: else fi;
       forget_claim(w) }
  :: d_step { c_ph[w] == DONE && c_tok[w] != 0 && l_ph[w] == 0 ->
       l_ses[w] = c_ses[w]; l_tok[w] = c_tok[w]; l_att[w] = c_att[w];
       if
       :: cur[w] == c_ses[w] -> l_ph[w] = BUFFERED; l_no[w] = c_no[w]; l_noted[w] = !notes
       :: else -> l_ph[w] = OVER; l_kind[w] = RELEASE; l_started[w] = 0
       fi;
       forget_claim(w) }
  /* A worker refuses a lease of a job that it is still running */
  :: d_step { c_ph[w] == DONE && c_tok[w] != 0 && l_ph[w] != 0 && o_ph[w] == 0 ->
       o_ph[w] = WRITING; o_ses[w] = c_ses[w]; o_tok[w] = c_tok[w]; o_kind[w] = RELEASE; o_started[w] = 0;
       forget_claim(w) }

  /* The answer of a claim is lost, whatever has become of it: a sync comes before the next claim */
  :: d_step { losses > 0 && may_fail(w) && q_ph[w] == 0 && c_ph[w] >= SENT && c_ph[w] <= DONE ->
       losses--;
       if :: cur[w] == c_ses[w] -> sync_due[w] = 1 :: else fi;
       leave_claim(w) }

  /* A sync is sent: after a lost answer, and now and then (here: when it would find something). What the worker knows
     is asked when no claim can be under way any more */
  :: d_step { cur[w] != 0 && without != SYNC_EVER && (c_ph[w] == IDLE || (without == SYNC_ALONE && c_ph[w] != SYNCING && q_ph[w] == 0)) &&
       (sync_due[w] || (st == RUNNING && ses == cur[w] && !knows(w))) &&
       (q_ph[w] == 0 || q_ph[w] == SYNCING || q_ses[w] != cur[w] || without == SYNC_BACKEND) ->
       if
       :: c_ph[w] == IDLE -> c_ph[w] = SYNCING; c_ses[w] = cur[w]; c_no[w] = numbered[w]; c_known[w] = knows(w)
       :: else -> q_ph[w] = SYNCING; q_ses[w] = cur[w]; q_no[w] = numbered[w]; q_known[w] = knows(w)
       fi }
  /* forgeq:sync_leases, and its answer. What is to be cancelled is reported as released, which ends it */
  :: atomic { c_ph[w] == SYNCING && lock == 0 ->
       bit cancelling;
       d_step {
         sync_leases(c_ses[w], c_no[w], c_known[w], cancelling);
         if :: cancelling && l_ph[w] == 0 ->
               l_ph[w] = OVER; l_kind[w] = RELEASE; l_started[w] = 0; l_ses[w] = c_ses[w]; l_tok[w] = tok
            :: else fi;
         cancelling = 0;
         if :: cur[w] == c_ses[w] -> sync_due[w] = 0 :: else fi;
         forget_claim(w)
       } }
  /* Its answer is lost, before it is executed: it may be executed later. (After it was: it is as if it came again) */
  :: d_step { losses > 0 && may_fail(w) && c_ph[w] == SYNCING && q_ph[w] == 0 ->
       losses--;
       if :: cur[w] == c_ses[w] -> sync_due[w] = 1 :: else fi;
       leave_claim(w) }

  /* forgeq:note_starts looks at the session, and commits: awaited before the start */
  :: d_step { l_ph[w] == BUFFERED && !l_noted[w] && n_ses[w] == 0 && alive(l_ses[w]) -> n_ses[w] = l_ses[w]; n_no[w] = l_no[w] }
  :: d_step { n_ses[w] != 0 ->
       if :: noted[n_ses[w]] < n_no[w] -> noted[n_ses[w]] = n_no[w] :: else fi;
       if :: l_ph[w] == BUFFERED && l_ses[w] == n_ses[w] && l_no[w] == n_no[w] -> l_noted[w] = 1 :: else fi;
       n_ses[w] = 0; n_no[w] = 0 }

  /* The clock is looked at, and in the same turn of the loop the handler starts */
  :: d_step { l_ph[w] == BUFFERED && cur[w] == l_ses[w] && (!old[cur[w]] || without == WORKER_CLOCK) && (l_noted[w] || without == NOTE_STARTS) ->
       must(held_at_start, raced || twice || l_undone[w] || undone[l_ses[w]] || (st == RUNNING && ses == l_ses[w] && tok == l_tok[w]));
       one_at_a_time(w);
       started(w) }
  /* The same, but the process is stopped in between and goes on late: nothing can be promised but the fences */
  :: d_step { stops > 0 && may_fail(w) && l_ph[w] == BUFFERED && cur[w] == l_ses[w] && !old[cur[w]] && l_noted[w] -> stops--; l_ph[w] = STOPPED }
  :: d_step { l_ph[w] == STOPPED -> started(w) }

  /* The handler ends: a value, a failure that has another turn or (the last one, not retryable) is `dead`, a snooze or a
     release by shutdown. A cancellation that it confirms goes the way of `dead` */
  :: d_step { l_ph[w] == RUNS -> l_ph[w] = OVER; l_started[w] = 1; l_kind[w] = COMPLETE }
  :: d_step { l_ph[w] == RUNS ->
       l_ph[w] = OVER; l_started[w] = 1; l_kind[w] = FINISH }
  :: d_step { l_ph[w] == RUNS && l_att[w] < MAX_ATTEMPTS -> l_ph[w] = OVER; l_started[w] = 1; l_kind[w] = RETRY }
  :: d_step { l_ph[w] == RUNS && uncounted > 0 -> uncounted--; l_ph[w] = OVER; l_started[w] = 1; l_kind[w] = RELEASE }
  /* What waits in the buffer goes back: pause, drain, surplus */
  :: d_step { l_ph[w] == BUFFERED && uncounted > 0 -> uncounted--; l_ph[w] = OVER; l_started[w] = 0; l_kind[w] = RELEASE }
  /* Progress is sent and not waited for */
  :: d_step { l_ph[w] == RUNS && reports > 0 && z_kind[w] == 0 -> reports--; z_kind[w] = PROGRESS; z_ses[w] = l_ses[w]; z_tok[w] = l_tok[w] }

  /* The reporter takes the outcome over and writes it */
  :: d_step { l_ph[w] == OVER && o_ph[w] == 0 ->
       o_ph[w] = WRITING; o_ses[w] = l_ses[w]; o_tok[w] = l_tok[w]; o_kind[w] = l_kind[w]; o_started[w] = l_started[w];
       forget_lease(w) }
  :: d_step { o_ph[w] == WRITING && lock == 0 ->
       write_outcome(o_kind[w], o_started[w], o_ses[w], o_tok[w], o_accepted[w]);
       o_ph[w] = ANSWERED }
  /* The verdict. One that is refused when it is repeated is looked for in the history */
  :: d_step { o_ph[w] == ANSWERED ->
       if
       :: !o_accepted[w] && o_unknown[w] && o_started[w] && without != ASK_BEFORE -> o_ph[w] = ASKING
       :: !o_accepted[w] && o_unknown[w] && o_started[w] && without == ASK_BEFORE ->
          must(verdict_true, !truly_recorded(o_ses[w], o_tok[w]));
          forget_outcome(w)
       :: else -> forget_outcome(w)
       fi }
  :: d_step { o_ph[w] == ASKING ->
       must(verdict_true, recorded(o_ses[w], o_tok[w]) == truly_recorded(o_ses[w], o_tok[w]));
       forget_outcome(w) }
  /* Its answer is lost, whatever has become of it: it is sent again, and the first may still be executed */
  :: d_step { losses > 0 && may_fail(w) && z_kind[w] == 0 && (o_ph[w] == WRITING || o_ph[w] == ANSWERED) ->
       losses--;
       leave_outcome(w);
       o_ph[w] = WRITING; o_unknown[w] = 1; o_accepted[w] = 0 }

  /* SIGKILL, and a new process. What was on its way may still be executed */
  :: d_step { crashes > 0 && may_fail(w) && q_ph[w] == 0 && z_kind[w] == 0 && (cur[w] != 0 || l_ph[w] != 0) ->
       crashes--;
       if :: c_ph[w] != IDLE -> leave_claim(w) :: else fi;
       leave_outcome(w);
       forget_outcome(w); forget_lease(w);
       cur[w] = 0; former[w] = 0; sync_due[w] = 0; numbered[w] = 0 }
  od
}
