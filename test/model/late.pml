/* What nobody waits for any more: executed late, or gone with its backend */
proctype Late(byte w) {
end:
  do
  /* forgeq:claim_jobs looks and locks, late */
  :: d_step { q_ph[w] == SENT && claimable(q_ses[w]) -> lock = late_lock(w); q_ph[w] = BEGUN }
  /* forgeq:claim_jobs commits, late: perhaps after its session has ended */
  :: d_step { q_ph[w] == BEGUN ->
       must(sync_is_last, cur[w] != q_ses[w] || sync_due[w]);
       claim_commit(q_ses[w], q_no[w]);
       forget_late_claim(w) }
  /* forgeq:sync_leases, late; nobody hears which are to be cancelled */
  :: atomic { q_ph[w] == SYNCING && lock == 0 ->
       bit unheard;
       d_step { sync_leases(q_ses[w], q_no[w], q_known[w], unheard); unheard = 0; forget_late_claim(w) } }
  /* forgeq:end_backend, or the connection breaks: nothing of it happens */
  :: d_step { q_ph[w] == SENT || q_ph[w] == SYNCING -> forget_late_claim(w) }
  :: d_step { q_ph[w] == BEGUN -> lock = 0; forget_late_claim(w) }
  /* An outcome or a progress, late */
  :: atomic { z_kind[w] != 0 && lock == 0 ->
       bit taken;
       d_step {
         if
         :: z_kind[w] == PROGRESS -> write_progress(z_ses[w], z_tok[w])
         :: else -> write_outcome(z_kind[w], z_started[w], z_ses[w], z_tok[w], taken)
         fi;
         taken = 0;
         forget_late_outcome(w)
       } }
  :: d_step { z_kind[w] != 0 -> forget_late_outcome(w) }
  od
}
