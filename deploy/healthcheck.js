// Exits 0 while the process beside it is alive: a worker by its metrics port, a server by its own. The database does not
// count, or its outage would restart everything.
const port = process.env.FORGEQ_METRICS_PORT ?? process.env.FORGEQ_PORT ?? '8420'
const alive = await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(4_000) }).then(
  ({ ok }) => ok,
  () => false,
)
process.exit(alive ? 0 : 1)
