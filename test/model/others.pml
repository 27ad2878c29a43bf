/* Who else touches the rows: the scheduler, a person and time; and who judges when all is over. */

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
