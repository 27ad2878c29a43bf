import pg from 'pg'

const BATCH = 500 // As many as a ForgeQ dispatcher claims at once; 2,000 reach more still.
const LOOPS = 2
const ENQUEUE_CONNECTIONS = 32

/**
 * What the machine can do: a bare table, deleted from in batches with SKIP LOCKED, with no states, retries, history,
 * delays, priorities or fences. A batch is one open transaction, so a crash gives its jobs back.
 */
export async function open({ databaseUrl }) {
  const pool = new pg.Pool({ connectionString: databaseUrl, max: ENQUEUE_CONNECTIONS })
  pool.on('error', () => {})

  return {
    async setup() {
      await pool.query(
        'create table if not exists jobs (id bigint generated always as identity primary key, payload jsonb not null)',
      )
    },

    async enqueueOne(payload) {
      await pool.query({
        name: 'enqueue_one',
        text: 'insert into jobs (payload) values ($1)',
        values: [JSON.stringify(payload)],
      })
    },

    async enqueueMany(payloads) {
      await pool.query({
        name: 'enqueue_many',
        text: 'insert into jobs (payload) select value from jsonb_array_elements($1::jsonb)',
        values: [JSON.stringify(payloads)],
      })
    },

    async storedNumbers() {
      const { rows } = await pool.query({ text: `select (payload->>'n')::int from jobs`, rowMode: 'array' })
      return rows.map(([n]) => n)
    },

    async drain({ handle }) {
      const stopping = new AbortController()
      const loops = Array.from({ length: LOOPS }, async () => {
        const client = await pool.connect()
        try {
          while (!stopping.signal.aborted) await takeBatch(client, handle)
        } finally {
          client.release()
        }
      })
      return async () => {
        stopping.abort()
        await Promise.all(loops)
      }
    },

    async unfinished() {
      const { rows } = await pool.query('select count(*)::int as jobs from jobs')
      return rows[0].jobs
    },

    teardown: () => pool.end(),
  }
}

async function takeBatch(client, handle) {
  await client.query('begin')
  const { rows } = await client.query({
    name: 'take_batch',
    text: `with next as materialized (select id from jobs order by id limit $1 for update skip locked)
           delete from jobs using next where jobs.id = next.id returning jobs.payload`,
    values: [BATCH],
  })
  const slow = []
  for (const { payload } of rows) {
    const running = handle(payload.n)
    if (running) slow.push(running)
  }
  if (slow.length > 0) await Promise.all(slow)
  await client.query('commit')
  if (rows.length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
}
