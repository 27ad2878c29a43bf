/*
 * Recovery (src/loops/recovery.ts, src/store/recovery.ts): first the sessions, then their jobs. It looks in one statement,
 * decides, and writes in another: in between it holds no lock, anything may happen, and its connection may be another.
 */
bit r_decided[RECOVERERS]
bit r_counted[RECOVERERS]      /* it may have been started */
bit r_canc[RECOVERERS]         /* somebody has asked to cancel it */
byte r_tok[RECOVERERS]
byte r_ses[RECOVERERS]
byte r_ended[RECOVERERS]       /* only for the form that takes only jobs of sessions ended in the same pass */
hidden byte i
#define ending(s) (s < NOBODY && sst[s] == EXPIRED && !beat[s] && without != SESSION_END)

proctype Recovery(byte r) {
end:
  do
  /* forgeq:end_expired_sessions: those that nobody has locked */
  :: d_step { ending(1) || ending(2) || ending(3) || ending(4) || ending(5) || ending(6) || ending(7) || ending(8) || ending(9) ->
       i = 1;
       do
       :: i < NOBODY ->
          if :: ending(i) -> sst[i] = ENDED; if :: without == RECOVERY_LATE_CLAIM -> r_ended[r] = i :: else fi :: else fi;
          i++
       :: else -> break
       od;
       i = 0 }

  /* forgeq:lock_lost_jobs: a job whose session is ended, expired or missing. Its lock lasts no longer than the statement */
  :: d_step { !r_decided[r] && st == RUNNING && gone(ses) && lock == 0 &&
       (without != RECOVERY_LATE_CLAIM || ses == r_ended[r]) && (without != RECOVERY_MISSING || sst[ses] != MISSING) ->
       r_decided[r] = 1; r_tok[r] = tok; r_ses[r] = ses; r_canc[r] = canc; r_ended[r] = 0;
       r_counted[r] = (no <= noted[ses] || sst[ses] == MISSING);
       if :: beat[ses] -> raced = 1 :: else fi }
  :: d_step { r_ended[r] != 0 && !r_decided[r] -> r_ended[r] = 0 }

  /* forgeq:recover_jobs: the lease must be the one that was decided about, its session not live in the eyes of this newer
     snapshot, the wish to cancel as it was. What somebody has locked is left for the next pass */
  :: d_step { r_decided[r] ->
       if
       :: (gone(r_ses[r]) || without == RECOVERY_LIVE) && st != FINAL && lock == 0 &&
          ((st == RUNNING && tok == r_tok[r] && ses == r_ses[r]) || without == RECOVERY_GUARD) &&
          (canc == r_canc[r] || without == RECOVER_CANCEL) ->
          must(recovery_decides, st == RUNNING && tok == r_tok[r] && ses == r_ses[r]);
          must(live_kept, !alive(ses));
          if :: beat[ses] -> raced = 1 :: else fi;
          must(started_pays, raced || twice || undone[r_ses[r]] || r_counted[r] || !g_started);
          lease_over();
          if
          :: r_counted[r] ->
             rec_ses[tok] = r_ses[r]; rec_lost[tok] = 1;
             lost++; count(); must(runs_bounded, lost <= MAX_LOST);
             st = (r_canc[r] || lost >= MAX_LOST || att >= MAX_ATTEMPTS -> FINAL : PENDING)
          :: else -> uncount(); st = (r_canc[r] -> FINAL : PENDING)
          fi
       :: else
       fi;
       r_decided[r] = 0; r_counted[r] = 0; r_canc[r] = 0; r_tok[r] = 0; r_ses[r] = 0 }
  od
}
