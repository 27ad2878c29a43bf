import { acceptedBefore } from '../../src/store/outcomes.ts'
import { writeProgress } from '../../src/store/progress.ts'
import { type Known, type Outcome, type Report, send, statementOf } from './reports.ts'
import type { WorkerActor } from './worker-actor.ts'
import type { World } from './world.ts'

/** Ends a run or gives a lease back: from here on the worker only waits for the store's word. */
export async function end(worker: WorkerActor, lease: Known, outcome: Outcome, how: string | undefined): Promise<void> {
  const { memory } = worker
  memory.known = memory.known.filter((one) => one !== lease)
  const one: Report = { lease, outcome, unknown: false }
  memory.unsettled.push(one)
  memory.sent.push(one)
  return report(worker, one, how)
}

/** Sends an outcome, for the first time or again; `how` says what becomes of the statement or its answer. */
export async function report(
  { name, world, memory, reports: road }: WorkerActor,
  one: Report,
  how?: string,
): Promise<void> {
  const { lease } = one
  const repeated = one.unknown
  if (how === 'never arrives') {
    one.unknown = true
    return
  }
  if (how === 'held') await world.hold(name, road, statementOf(one))
  const before = world.ledger.changes.get(road.pid) ?? 0
  const accepted = await send(world, road, name, one)
  if (how === 'answer lost') {
    one.unknown = true
    return
  }
  const earlier = accepted || !repeated ? false : (await acceptedBefore(road, lease.sessionId, [lease])).has(lease.id)
  memory.unsettled = memory.unsettled.filter((other) => other !== one)
  world.ledger.answered({
    lease,
    accepted: accepted || earlier,
    mayForget: mayForget(world, one),
    pid: road.pid,
    before,
  })
}

/** One that never started leaves no trace of itself, nor does anything of a job that was deleted; undone leases have one number. */
const mayForget = (world: World, { lease, outcome }: Report): boolean =>
  world.failover || (outcome === 'release' && !lease.started) || world.ledger.jobs.get(lease.id)?.deleted === true

/** A statement that was thought lost, and repeated, arrives after all; nobody reads its answer. */
export async function echo({ name, world, memory, spare }: WorkerActor, one: Report): Promise<void> {
  memory.echoes++
  await send(world, spare, name, one)
}

export async function progress({ name, world, memory }: WorkerActor, { id, token, sessionId }: Known): Promise<void> {
  memory.progresses++
  const road = world.road(name, 'progress')
  // It goes out beside the outcomes: whatever the worker does meanwhile, it may arrive later.
  world.enter(`${name}'s progress`, async (own) => {
    await world.stage.pass(own, ['arrive'])
    world.sends(road, { kind: 'progress', lease: { id, token, sessionId } })
    await writeProgress(road.ticket(), sessionId, [{ id, token, value: 0.5 }])
  })
}
