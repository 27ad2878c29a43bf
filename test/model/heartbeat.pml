/* The heartbeat thread (src/worker/heartbeat-thread.ts). It beats when it matters: on a session that has
   aged, or is not there any more. Where liveness is asked for it beats for ever */
byte h_ph[WORKERS]             /* SENT: it has looked and locked; DONE: its answer is on its way */
byte h_ses[WORKERS]
bit h_expired[WORKERS]         /* it looked after the expiry: only without that fence */
proctype Heartbeat(byte w) {
end:
  do
  /* forgeq:heartbeat looks: ended_at is null and expires_at > clock_timestamp() */
  :: d_step { h_ph[w] == 0 && cur[w] != 0 && (old[cur[w]] || !alive(cur[w]) || endless) && !beat[cur[w]] ->
       if
       :: alive(cur[w]) || (sst[cur[w]] == EXPIRED && (without == HEARTBEAT_EXPIRED || without == SESSION_REVIVES)) ||
          (sst[cur[w]] == ENDED && (without == HEARTBEAT_ENDED || without == SESSION_REVIVES)) ->
          h_expired[w] = !alive(cur[w]);
          h_ph[w] = SENT; h_ses[w] = cur[w]; beat[cur[w]] = 1
       :: else -> lose(w)
       fi }
  /* forgeq:heartbeat commits: the session is renewed in the eyes of the others */
  :: d_step { h_ph[w] == SENT ->
       if :: sst[h_ses[w]] == EXPIRED || (sst[h_ses[w]] == ENDED && without == SESSION_REVIVES) -> sst[h_ses[w]] = LIVE :: else fi;
       beat[h_ses[w]] = 0; undone[h_ses[w]] = 0; h_ph[w] = DONE }
  /* Its answer. The worker's lease counts from when it was sent: by now that may be long ago, or the answer is lost (not
     for ever: where heartbeats never end, a fault that never ends either would be no surprise) */
  :: d_step { h_ph[w] == DONE ->
       if
       :: cur[w] == h_ses[w] && (alive(h_ses[w]) || without == WORKER_SENT || (without == HEARTBEAT_ENDED && h_expired[w])) -> old[h_ses[w]] = 0
       :: else
       fi;
       h_ph[w] = 0; h_ses[w] = 0; h_expired[w] = 0 }
  :: d_step { h_ph[w] == DONE && !endless -> h_ph[w] = 0; h_ses[w] = 0; h_expired[w] = 0 }
  od
}
