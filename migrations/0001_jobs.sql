-- Jobs, their history, the workers' sessions and what hangs on them.
-- Live and finished jobs lie apart: an enqueue is an insert, a claim one update, an end a delete into the history. The
-- table that every claim reads stays as small as the work that waits, whatever the history holds.

-- Order among jobs that are due at the same instant. Never an id: after a failover an old primary hands out the same numbers.
create sequence forgeq.job_seq;

create table forgeq.jobs (
  id                  uuid        primary key,
  seq                 bigint      not null default nextval('forgeq.job_seq'),
  queue               text        not null,
  type                text        not null,
  state               text        not null,
  priority            smallint    not null default 0,
  run_at              timestamptz not null,
  created_at          timestamptz not null,
  expires_at          timestamptz,
  payload             jsonb       not null,
  attempt             integer     not null default 0,
  max_attempts        integer     not null,
  -- `attempt` when this life began: a person's retry of a final job begins a new one.
  life_start          integer     not null default 0,
  -- Runs of this life that ended with their worker.
  lost                integer     not null default 0,
  -- Leases of this life whose delivery was lost, given back uncounted; from the fourth on they count as lost.
  given_back          smallint    not null default 0,
  -- The fence: grows with each lease, never goes back.
  token               bigint      not null default 0,
  session_id          uuid,
  -- Numbered by session in the order of starts, so that one number a queue says which buffered jobs may have been started.
  lease_no            bigint,
  started_at          timestamptz,
  timeout_ms          bigint,
  backoff             jsonb,
  tags                text[]      not null default '{}',
  idempotency_key     text,
  -- Digest of what was asked for, where a key or an id was given.
  meaning             text,
  traceparent         text,
  keep_for_ms         bigint,
  cancel_requested_at timestamptz,
  progress            jsonb,
  error               jsonb,
  -- Earlier runs, oldest first; null for the many jobs that end with their first.
  attempts            jsonb,
  constraint live_state         check (state in ('scheduled', 'pending', 'running', 'retrying', 'blocked')),
  constraint lease_iff_running  check ((state = 'running') = (session_id is not null) and (state = 'running') = (lease_no is not null)),
  constraint attempts_in_bounds check (attempt >= life_start and max_attempts > 0 and lost >= 0),
  constraint leased_has_token   check (attempt = 0 or token > 0),
  constraint names_in_bounds    check (length(type) between 1 and 128 and length(queue) between 1 and 128)
) with (
  -- A claim writes a new version of the row: room for it on the same page.
  fillfactor = 80,
  -- Vacuum by how much has changed, not by a share of a table that swings between empty and millions.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 200000,
  autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000,
  autovacuum_vacuum_cost_delay = 0
);

-- Serves forgeq:claim_jobs and forgeq:find_lanes.
create index jobs_pending on forgeq.jobs (queue, type, priority desc, run_at, seq) where state = 'pending';
-- Serves forgeq:promote_due_jobs and forgeq:next_due.
create index jobs_due on forgeq.jobs (run_at) where state in ('scheduled', 'retrying');
-- Serves forgeq:lock_lost_jobs, forgeq:sync_leases and forgeq:release_session, never forgeq:finish_jobs: see there.
create index jobs_by_session on forgeq.jobs (session_id) where session_id is not null;
-- Serves forgeq:heartbeat.
create index jobs_cancelling on forgeq.jobs (session_id) where cancel_requested_at is not null;
-- Serves forgeq:expire_jobs.
create index jobs_expiring on forgeq.jobs (expires_at) where expires_at is not null and state in ('scheduled', 'pending', 'blocked');

create table forgeq.finished_jobs (
  id                  uuid        not null,
  seq                 bigint      not null,
  queue               text        not null,
  type                text        not null,
  state               text        not null,
  reason              text,
  priority            smallint    not null,
  run_at              timestamptz not null,
  created_at          timestamptz not null,
  expires_at          timestamptz,
  started_at          timestamptz,
  finished_at         timestamptz not null,
  payload             jsonb       not null,
  result              jsonb,
  attempt             integer     not null,
  max_attempts        integer     not null,
  life_start          integer     not null,
  lost                integer     not null,
  token               bigint      not null,
  -- The session that reported its end; null when it ended while it waited, or was taken back from its worker.
  session_id          uuid,
  worker              jsonb,
  timeout_ms          bigint,
  backoff             jsonb,
  tags                text[]      not null,
  idempotency_key     text,
  meaning             text,
  traceparent         text,
  keep_for_ms         bigint,
  cancel_requested_at timestamptz,
  progress            jsonb,
  error               jsonb,
  attempts            jsonb,
  -- The last day on which the row is kept, fixed at the end from state and `keep_for`: whole partitions drop.
  delete_after        date        not null,
  constraint final_state check (state in ('completed', 'dead', 'cancelled')),
  primary key (id, delete_after)
) partition by range (delete_after);

-- Catches what ends on a day that has no partition yet.
create table forgeq.finished_jobs_default partition of forgeq.finished_jobs default;

-- Serves forgeq:dead_by_queue.
create index finished_jobs_dead on forgeq.finished_jobs (queue) where state = 'dead';

create view forgeq.all_jobs as
select id, seq, queue, type, state, null::text as reason, priority, run_at, created_at, expires_at, started_at,
       null::timestamptz as finished_at, payload, null::jsonb as result, attempt, max_attempts, life_start, lost, token,
       session_id, null::jsonb as worker, timeout_ms, backoff, tags, idempotency_key, meaning, traceparent, keep_for_ms,
       cancel_requested_at, progress, error, attempts
  from forgeq.jobs
union all
select id, seq, queue, type, state, reason, priority, run_at, created_at, expires_at, started_at,
       finished_at, payload, result, attempt, max_attempts, life_start, lost, token,
       session_id, worker, timeout_ms, backoff, tags, idempotency_key, meaning, traceparent, keep_for_ms,
       cancel_requested_at, progress, error, attempts
  from forgeq.finished_jobs;

-- A key outlives its job, so it has a table of its own; jobs without a key never touch it.
create table forgeq.idempotency_keys (
  key        text        primary key,
  job_id     uuid        not null,
  meaning    text        not null,
  created_at timestamptz not null default clock_timestamp(),
  -- Both null while the job lives.
  state      text,
  expires_at timestamptz,
  constraint key_in_bounds    check (octet_length(key) between 1 and 255),
  constraint expires_iff_final check ((state is null) = (expires_at is null))
);

-- Serves forgeq:delete_job.
create index idempotency_keys_job on forgeq.idempotency_keys (job_id);
-- Serves forgeq:prune_keys.
create index idempotency_keys_expiring on forgeq.idempotency_keys (expires_at) where expires_at is not null;

-- A worker's registration. No foreign key leads here: it would make a MultiXact with each claim.
create table forgeq.sessions (
  id                uuid        primary key,
  name              text        not null,
  host              text        not null,
  pid               integer     not null,
  version           text        not null,
  queues            text[]      not null,
  types             text[]      not null,
  concurrency       integer     not null,
  status            text        not null default 'active',
  started_at        timestamptz not null default clock_timestamp(),
  last_heartbeat_at timestamptz not null default clock_timestamp(),
  expires_at        timestamptz not null,
  ended_at          timestamptz,
  end_reason        text,
  constraint session_status check (status in ('active', 'draining', 'stuck')),
  constraint reason_iff_ended check ((ended_at is null) = (end_reason is null))
) with (fillfactor = 50);

-- Serves forgeq:end_expired_sessions, forgeq:next_expiry and forgeq:list_sessions.
create index sessions_live on forgeq.sessions (expires_at) where ended_at is null;

-- Up to which lease a worker may have started, by queue: apart from the heartbeat's row, so that neither waits for the other.
create table forgeq.session_starts (
  session_id uuid   not null,
  queue      text   not null,
  upto       bigint not null,
  primary key (session_id, queue)
) with (fillfactor = 50);

create table forgeq.queues (
  name          text        primary key,
  paused_at     timestamptz,
  paused_until  timestamptz,
  paused_by     text,
  paused_reason text,
  constraint until_needs_pause check (paused_at is not null or (paused_until is null and paused_by is null and paused_reason is null))
);

-- What happened, as one row a batch and kind, written with the batch; a loop rolls it up. Never an update of a shared row.
create table forgeq.count_deltas (
  at    timestamptz not null default clock_timestamp(),
  queue text        not null,
  type  text        not null,
  event text        not null,
  n     bigint      not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

create table forgeq.count_minutes (
  minute timestamptz not null,
  queue  text        not null,
  type   text        not null,
  event  text        not null,
  n      bigint      not null,
  primary key (minute, queue, type, event)
);

create table forgeq.count_totals (
  queue text   not null,
  type  text   not null,
  event text   not null,
  n     bigint not null,
  primary key (queue, type, event)
);

-- When each loop last passed, anywhere: the others skip the pass that one has just made.
create table forgeq.loops (
  name         text        primary key,
  last_pass_at timestamptz not null,
  handled      bigint      not null default 0
);
