-- What tells a job that takes its worker down from those that sat beside it, and a worker that cannot live from its jobs.

-- Before a job that was lost already starts beside others, its lease is noted: should its worker vanish, it pays alone.
alter table forgeq.jobs add column quarantine_token bigint;

-- The session that the same process held before: that one was lost, its process was not.
alter table forgeq.sessions add column former_id uuid;
-- How long a worker that kept dying waited before its first lease.
alter table forgeq.sessions add column pause_ms bigint not null default 0;

-- Only what was never started expires: a job that waits for its retry was in time.
drop index forgeq.jobs_expiring;
-- Serves forgeq:expire_jobs and forgeq:next_due.
create index jobs_expiring on forgeq.jobs (expires_at)
 where expires_at is not null and state in ('scheduled', 'pending', 'blocked') and attempt = life_start and attempts is null;

-- Serves forgeq:former_sessions.
create index sessions_by_worker on forgeq.sessions (host, started_at desc);
