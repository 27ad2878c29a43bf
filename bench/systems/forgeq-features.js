const RESULT = { text: 'One kilobyte of a result. '.repeat(40).slice(0, 1_000) }
const DELAY = '5s' // Longer than it takes to enqueue them all.

/**
 * What a job can have, one line each; another one is another line, and another line of the table. `options` are those of
 * its enqueue, `finish` is what its handler does after it has been counted, given the job and a pool of the driver.
 */
export const FEATURES = {
  plain: {},
  'idempotency-key': { options: (n) => ({ idempotencyKey: `order-${n}` }) },
  tags: { options: (n) => ({ tags: ['benchmark', `customer-${n % 1_000}`] }) },
  priority: { options: () => ({ priority: 5 }) },
  delay: { options: () => ({ delay: DELAY }) },
  result: { finish: () => RESULT },
  'complete-tx': { finish: completeInTransaction },
}

async function completeInTransaction(job, pool) {
  const client = await pool.connect()
  try {
    await client.query('begin')
    await job.complete(client)
    await client.query('commit')
  } finally {
    client.release()
  }
}
