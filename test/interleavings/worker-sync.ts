import { syncLeases } from '../../src/store/recovery.ts'
import type { Road } from './road.ts'
import type { WorkerActor } from './worker-actor.ts'

const FOREVER_UPTO = 1_000
const MAX_GIVEN_BACK = 3

/** Tells the store what the worker knows, so that leases whose answers were lost come back. */
export async function sync({ name, world, memory, claims }: WorkerActor, how: string | undefined): Promise<void> {
  const sessionId = memory.session!
  const known = [...memory.known, ...memory.unsettled.map(({ lease }) => lease)].map(({ id, token }) => ({ id, token }))
  const told = world.mistakes.syncForgets ? known.slice(0, memory.known.length) : known
  const ask = {
    sessionId,
    upto: world.mistakes.syncIgnoresUpto ? FOREVER_UPTO : memory.numbered,
    known: told,
    maxGivenBack: MAX_GIVEN_BACK,
  }
  const send = (road: Road) => {
    // What the worker knows by the time the statement takes effect counts.
    const knows = (id: string, token: number) =>
      [...memory.known, ...memory.unsettled.map(({ lease }) => lease)].some(
        (lease) => lease.id === id && lease.token === token && lease.sessionId === sessionId,
      )
    world.sends(road, { kind: 'sync', sessionId, knows })
    return syncLeases(road.ticket(), ask)
  }
  if (how === 'arrives late') {
    // The worker has given its answer up and goes on; the statement is somewhere before its locks.
    memory.lateSync = true
    const road = world.road(name, 'late sync')
    world.enter(`${name}'s late sync`, async (own) => {
      await world.hold(own, road, 'sync_leases')
      await send(road)
      memory.lateSync = false
    })
    return
  }
  const { cancelling } = await send(claims)
  if (how === 'answer lost') return
  memory.syncDue = false
  for (const { id, token } of cancelling)
    memory.known.push({
      id,
      token,
      sessionId,
      leaseNo: 0,
      started: false,
      keyed: false,
      attempt: 1,
      maxAttempts: 1,
      unwanted: true,
    })
}
