/* Who else touches the rows: recovery, the scheduler, a person and time; and who judges when all is over. */

/* src/loops/recovery.ts: first the sessions, then their jobs */
bit r_decided
bit r_counted                  /* it may have been started */
byte r_tok
byte r_ses
byte r_ended                   /* only for the form that takes only jobs of sessions ended in the same pass */
hidden byte i
#define ending(s) (s < NOBODY && sst[s] == EXPIRED && !beat[s] && without != SESSION_END)
proctype Recovery() {
end:
  do
  /* forgeq:end_expired_sessions: those that nobody has locked */
  :: d_step { ending(1) || ending(2) || ending(3) || ending(4) || ending(5) || ending(6) || ending(7) || ending(8) || ending(9) ->
       i = 1;
       do
       :: i < NOBODY -> if :: ending(i) -> sst[i] = ENDED; if :: without == RECOVERY_LATE_CLAIM -> r_ended = i :: else fi :: else fi; i++
       :: else -> break
       od;
       i = 0 }
  /* forgeq:lock_lost_jobs: a job whose session is ended, expired or missing; locked until the write is committed */
  :: d_step { !r_decided && st == RUNNING && gone(ses) && lock == 0 &&
       (without != RECOVERY_LATE_CLAIM || ses == r_ended) && (without != RECOVERY_MISSING || sst[ses] != MISSING) ->
       r_decided = 1; r_tok = tok; r_ses = ses; r_ended = 0;
       if :: beat[ses] -> raced = 1 :: else fi;
       r_counted = (no <= noted[ses] || sst[ses] == MISSING);
       if :: without != RECOVERY_LOCK && without != RECOVERY_LOCK_GUARD -> lock = RECOVERY_LOCKED :: else fi }
  :: d_step { r_ended != 0 && !r_decided -> r_ended = 0 }
  /* forgeq:recover_jobs: decided in between; the guard is token, session and state, and the session is looked at again */
  :: d_step { r_decided && (lock == RECOVERY_LOCKED || lock == 0) ->
       if
       :: (gone(r_ses) || without == RECOVERY_LIVE) && st != FINAL &&
          ((st == RUNNING && tok == r_tok && ses == r_ses) || without == RECOVERY_GUARD || without == RECOVERY_LOCK_GUARD) ->
          must(recovery_decides, st == RUNNING && tok == r_tok && ses == r_ses);
          must(live_kept, !alive(ses));
          if :: beat[ses] -> raced = 1 :: else fi;
          must(started_pays, raced || twice || undone[r_ses] || r_counted || !g_started);
          lease_over();
          if
          :: r_counted ->
             rec_ses[tok] = r_ses; rec_lost[tok] = 1;
             lost++; count(); must(runs_bounded, lost <= MAX_LOST);
             st = ((canc && without != RECOVER_CANCEL) || lost >= MAX_LOST || att >= MAX_ATTEMPTS -> FINAL : PENDING)
          :: else -> uncount(); st = (canc && without != RECOVER_CANCEL -> FINAL : PENDING)
          fi
       :: else
       fi;
       r_decided = 0; r_counted = 0; r_tok = 0; r_ses = 0;
       if :: lock == RECOVERY_LOCKED -> lock = 0 :: else fi }
  od
}

/* forgeq:promote_due_jobs */
proctype Scheduler() {
end:
  do
  :: d_step { st == WAITING && lock == 0 -> st = PENDING }
  od
}

/* forgeq:cancel_waiting_job ends a job that waits; forgeq:request_cancel notes the wish in one that runs */
proctype Person() {
end:
  do
  :: d_step { cancels > 0 && lock == 0 && st != FINAL ->
       cancels--;
       if :: st == RUNNING -> canc = 1 :: else -> st = FINAL fi }
  od
}

/* A session that nobody follows any more ages for nothing; one that is followed by the budget, unless it is renewed. By
   the database's clock it expires after its worker's deadline: 10 % of the lease later at the earliest */
#define followed(s) (cur[worker_of(s)] == s)
proctype Clock(byte s) {
end:
  do
  :: d_step { alive(s) && followed(s) && !old[s] && ages > 0 && may_fail(worker_of(s)) -> ages--; old[s] = 1 }
  :: d_step { alive(s) && (old[s] || undone[s] || !followed(s)) -> sst[s] = EXPIRED }
  od
}

/* When nothing more can happen the job has ended */
proctype Judge() {
end:
  do
  :: timeout -> must(every_job_ends, st == FINAL); break
  od
}
