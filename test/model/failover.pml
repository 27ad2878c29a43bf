/* A standby that lags behind takes over: rows are as they were at `snapshot`, connections and locks are gone. Whatever
   had expired by then has expired again: time is not undone */
bit snapped
byte b_st, b_tok, b_ses, b_no, b_att, b_lost, b_given, b_g_tok, b_g_ses, b_g_counted
bit b_canc, b_g_open, b_g_started
byte b_rec_ses[TOKENS]
bit b_rec_lost[TOKENS]
byte b_sst[SESSIONS]
byte b_noted[SESSIONS]

proctype Failover() {
end:
  do
  :: d_step { failovers > 0 && !snapped && st != FINAL && (anywhere || (st == PENDING && lock == 0 && tok == 0)) ->
       snapped = 1;
       b_st = st; b_tok = tok; b_ses = ses; b_no = no; b_att = att; b_lost = lost; b_given = given; b_canc = canc;
       b_g_tok = g_tok; b_g_ses = g_ses; b_g_open = g_open; b_g_started = g_started; b_g_counted = g_counted;
       i = 0;
       do :: i < TOKENS -> b_rec_ses[i] = rec_ses[i]; b_rec_lost[i] = rec_lost[i]; i++ :: else -> break od;
       i = 0;
       do :: i < SESSIONS -> b_sst[i] = sst[i]; b_noted[i] = noted[i]; i++ :: else -> break od;
       i = 0 }
  :: d_step { snapped ->
       snapped = 0; failovers--;
       st = b_st; tok = b_tok; ses = b_ses; no = b_no; att = b_att; lost = b_lost; given = b_given; canc = b_canc;
       g_tok = b_g_tok; g_ses = b_g_ses; g_open = b_g_open; g_started = b_g_started; g_counted = b_g_counted;
       i = 0;
       do
       :: i < TOKENS -> rec_ses[i] = b_rec_ses[i]; rec_lost[i] = b_rec_lost[i]; b_rec_ses[i] = 0; b_rec_lost[i] = 0; i++
       :: else -> break
       od;
       i = 0;
       do
       :: i < SESSIONS ->
          if :: b_sst[i] == LIVE && sst[i] == EXPIRED :: else -> sst[i] = b_sst[i] fi;
          if :: anywhere && b_sst[i] == LIVE && may_fail(worker_of(i)) -> undone[i] = 1 :: else fi;
          noted[i] = b_noted[i]; beat[i] = 0; b_sst[i] = 0; b_noted[i] = 0; i++
       :: else -> break
       od;
       i = 0;
       b_st = 0; b_tok = 0; b_ses = 0; b_no = 0; b_att = 0; b_lost = 0; b_given = 0; b_canc = 0;
       b_g_tok = 0; b_g_ses = 0; b_g_open = 0; b_g_started = 0; b_g_counted = 0;
       lock = 0;
       do
       :: i < WORKERS ->
          if :: c_ph[i] != IDLE -> if :: cur[i] == c_ses[i] -> sync_due[i] = 1 :: else fi; forget_claim(i) :: else fi;
          forget_late_claim(i); forget_late_outcome(i);
          if :: l_ph[i] != 0 -> l_undone[i] = 1 :: else fi;
          if :: o_ph[i] == WRITING || o_ph[i] == ASKING -> o_ph[i] = WRITING; o_unknown[i] = 1 :: else fi;
          n_ses[i] = 0; n_no[i] = 0; h_ph[i] = 0; h_ses[i] = 0; h_expired[i] = 0; i++
       :: else -> break
       od;
       i = 0 }
  od
}
