/*
 * The statements, each one step of the database. What a statement reads and writes under one row lock is atomic by that
 * lock, so these are single steps. Two are not, because they read a session without locking it, or lock it before they
 * commit: claim_jobs (looks at the session, commits later) and heartbeat (checks the expiry, commits later).
 */

/* The fence of an outcome: token, session and state in the statement that writes. A final job has no row to match. */
#define fenced(kind, s, t) \
  ((st != FINAL || without == FINAL_ROW) && (tok == t || without_token == kind) && (ses == s || without_session == kind) && \
   (st == RUNNING || without_state == kind || without == LEASE_IFF_RUNNING))

inline lease_over() { g_open = 0; g_started = 0; ses = 0; no = 0 }

/* One number is given back: greatest(attempt - 1, life_start) */
inline uncount() { if :: att > 0 -> att-- :: else fi }

inline count() { g_counted++; must(runs_bounded, twice || g_counted <= MAX_ATTEMPTS) }

/* forgeq:claim_jobs, its beginning: reads the session, locks a pending job; whoever is locked is skipped */
#define claimable(s) ((alive(s) || without == CLAIM_SESSION) && st == PENDING && lock == 0)

/* forgeq:claim_jobs, its commit */
inline claim_commit(s, n) {
  must(cancel_stands, !canc);
  if :: holds_lease(worker_of(s), s, tok + 1) -> twice = 1 :: else fi;
  must(runs_bounded, twice || (att == g_counted && att < MAX_ATTEMPTS));
  if :: without != TOKEN_GROWS || tok == 0 -> tok++ :: else fi;
  assert(tok < TOKENS);
  must(tokens_grow, tok > g_tok);
  st = RUNNING; att++; ses = s; no = n; lock = 0;
  if :: !notes -> noted[s] = n :: else fi;
  g_tok = tok; g_ses = s; g_open = 1; g_started = 0
}

/* forgeq:complete_jobs | finish_jobs | requeue_jobs. `started`: the run is remembered in the job's attempts */
inline write_outcome(kind, started, s, t, accepted) {
  accepted = 0;
  if
  :: fenced(kind, s, t) ->
     must(final_stays, st != FINAL);
     must(newest_only, g_open && g_ses == s && g_tok == t);
     accepted = 1;
     if :: started || canc -> rec_ses[t] = s; rec_lost[t] = 0 :: else fi;
     lease_over();
     if
     :: kind == COMPLETE || kind == FINISH -> st = FINAL; count()
     :: kind == RETRY -> count(); st = (canc && without != REQUEUE_CANCEL -> FINAL : WAITING)
     :: else -> uncount(); st = (canc && without != REQUEUE_CANCEL -> FINAL : (started -> WAITING : PENDING))
     fi;
     if :: without == LEASE_IFF_RUNNING || without == FINAL_ROW -> ses = s :: else fi
  :: else
  fi
}

/* forgeq:write_progress */
inline write_progress(s, t) {
  if
  :: fenced(PROGRESS, s, t) -> must(newest_only, g_open && g_ses == s && g_tok == t)
  :: else
  fi
}

/* forgeq:accepted_before, for a lease whose outcome was refused after an answer had been lost */
#define recorded(s, t) \
  ((rec_ses[t] == s || (without_session == BEFORE && rec_ses[t] != 0)) && (!rec_lost[t] || without == BEFORE_LOST))
#define truly_recorded(s, t) (rec_ses[t] == s && !rec_lost[t])

/* forgeq:sync_leases. `known`: what the worker named. `cancelling`: it is to report that lease itself */
inline sync_leases(s, upto, known, cancelling) {
  cancelling = 0;
  if
  :: st == RUNNING && ses == s && !known && (no <= upto || without == SYNC_UPTO) ->
     if
     :: canc && without != SYNC_CANCEL -> cancelling = 1
     :: else ->
        must(known_kept, raced || !holds_lease(worker_of(s), s, tok));
        g_open = 0; g_started = 0;
        if
        :: given >= MAX_GIVEN && without != GIVEN_BOUND -> ses = NOBODY
        :: else -> given++; must(runs_bounded, given <= MAX_GIVEN); uncount(); st = PENDING; ses = 0; no = 0
        fi
     fi
  :: else
  fi
}
