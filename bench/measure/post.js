import { createLedger } from '../ledger.js'
import { percentile } from '../statistics.js'
import { openConnection } from './http-connection.js'
import { payloadsFrom } from './payload.js'

const WARM_UP_MS = 500

const FORMS = {
  one: { path: '/jobs', contentType: 'application/json', bodyOf: ([job]) => job },
  bulk: { path: '/jobs/bulk', contentType: 'application/json', bodyOf: (jobs) => `{"jobs":[${jobs.join()}]}` },
  ndjson: { path: '/jobs/bulk', contentType: 'application/x-ndjson', bodyOf: (jobs) => `${jobs.join('\n')}\n` },
}

/**
 * Posts jobs over `connections` kept connections, each waiting for its answer before its next call, `perCall` jobs a
 * call, for `forMs` or until `mostJobs`. Every job that was answered with 201 must then be stored once, and no other.
 */
export async function post(system, { url, form, connections, perCall, forMs, mostJobs }) {
  const { path, contentType, bodyOf } = FORMS[form]
  const opened = await Promise.all(Array.from({ length: connections }, () => openConnection(url, path, contentType)))
  let next = 0
  const latencies = []
  const postUntil = async (deadline, end) => {
    const caller = async (connection) => {
      while (performance.now() < deadline && next < end) {
        const from = next
        next += perCall
        const body = bodyOf(payloadsFrom(from, perCall).map((payload) => JSON.stringify({ type: 'bench', payload })))
        const sentAt = performance.now()
        const status = await connection.post(body)
        latencies.push(performance.now() - sentAt)
        if (status !== 201) throw new Error(`${path} answered ${status}`)
      }
    }
    await Promise.all(opened.map(caller))
  }

  await postUntil(performance.now() + WARM_UP_MS, mostJobs / 10)
  const before = next
  latencies.length = 0
  const startedAt = performance.now()
  await postUntil(startedAt + forMs, before + mostJobs)
  const elapsedMs = performance.now() - startedAt
  for (const connection of opened) connection.close()

  const ledger = system.storedNumbers && createLedger(next)
  for (const n of (await system.storedNumbers?.()) ?? []) ledger.see(n)
  return {
    jobs: next - before,
    elapsedMs,
    perSecond: ((next - before) / elapsedMs) * 1000,
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    failure: ledger?.mismatch() ?? null,
  }
}
