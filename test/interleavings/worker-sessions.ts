import { endSession, heartbeat as sendHeartbeat, registerSession } from '../../src/store/sessions.ts'
import type { WorkerActor } from './worker-actor.ts'

const LEASE_MS = 3_600_000

export async function register({ name, world, memory, reports }: WorkerActor): Promise<void> {
  const id = world.sessionId(name, ++memory.sessions)
  await registerSession(
    reports.ticket(),
    { id, name, host: 'h', pid: 1, version: 'test', queues: [], types: ['test'], concurrency: 10 },
    LEASE_MS,
  )
  memory.begin(id)
}

/** Keeps the session alive and hears which jobs are to end. */
export async function heartbeat({ memory, reports }: WorkerActor): Promise<void> {
  const sessionId = memory.session!
  const { alive, cancel } = await sendHeartbeat(reports.ticket(), { sessionId, leaseMs: LEASE_MS, status: 'active' })
  if (!alive) memory.lose(sessionId)
  for (const { id, token } of cancel) {
    const lease = memory.known.find((one) => one.id === id && one.token === token)
    if (lease && !lease.started) lease.unwanted = true
  }
}

/** Ends a session that may have expired, without waiting to be told. */
export async function distrust({ memory, reports }: WorkerActor): Promise<void> {
  const sessionId = memory.session!
  memory.lose(sessionId)
  await endSession(reports.ticket(), { sessionId, reason: 'lost by its worker' })
}
