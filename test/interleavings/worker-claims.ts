import { claimJobs, noteStarts } from '../../src/store/leases.ts'
import type { Known } from './reports.ts'
import type { WorkerActor } from './worker-actor.ts'
import type { WorkerMemory } from './worker-memory.ts'

const LANES = [{ queue: 'default', type: 'test', priority: 0, after: null }]

/** Asks for jobs, of which the first `startable` limits may start at once; `how` says what becomes of the answer. */
export async function claim(
  { name, world, memory, claims }: WorkerActor,
  how: string | undefined,
  startable: number,
): Promise<void> {
  const sessionId = memory.session!
  const { limit } = world
  const nextLeaseNo = memory.numbered + 1
  memory.numbered += limit
  const road = how === 'commits late' ? world.road(name, 'late claim') : claims
  const ask = async () => {
    world.sends(road, {
      kind: 'claim',
      sessionId,
      live: world.lives(sessionId),
      notes: nextLeaseNo - 1 + startable * limit,
    })
    return claimJobs(road.ticket(), { sessionId, lanes: LANES, limit, nextLeaseNo, startable: startable * limit })
  }
  const receive = (jobs: Awaited<ReturnType<typeof ask>>) => {
    if (memory.session === sessionId) memory.numbered = jobs.at(-1)?.leaseNo ?? nextLeaseNo - 1
    know(memory, jobs, sessionId, startable > 0)
  }
  if (how === 'answer lost') {
    await ask()
    memory.syncDue = true
    return
  }
  if (how === 'held') {
    await world.hold(name, road, 'claim_jobs')
    receive(await ask())
    return
  }
  if (how === undefined) {
    receive(await ask())
    return
  }
  await road.begin()
  const jobs = await ask()
  const { life } = memory
  memory.claiming = true
  memory.lateClaim = true
  world.enter(`${name}'s claim`, async (own) => {
    const ways = world.failover
      ? ['commit', 'commit, answer lost', 'fail', 'answer, then be undone']
      : ['commit', 'commit, answer lost', 'fail']
    const way = await world.stage.pass(own, ways)
    const mine = () => life === memory.life
    if (way === 'answer, then be undone') {
      if (mine()) receive(jobs)
      await road.end('rollback')
    } else {
      await road.end(way === 'fail' ? 'rollback' : 'commit')
      if (mine() && way === 'commit') receive(jobs)
      else if (mine() && memory.session === sessionId) memory.syncDue = true
    }
    if (mine()) memory.claiming = false
    memory.lateClaim = false
  })
}

type Leased = Pick<Known, 'id' | 'token' | 'leaseNo' | 'keyed' | 'attempt' | 'maxAttempts'>

function know(memory: WorkerMemory, jobs: readonly Leased[], sessionId: string, startable: boolean): void {
  for (const { id, token, leaseNo, keyed, attempt, maxAttempts } of jobs) {
    const unwanted = memory.known.some((one) => one.id === id && one.started)
    const started = startable && !unwanted && memory.session === sessionId
    memory.known.push({ id, token, leaseNo, keyed, attempt, maxAttempts, sessionId, started, unwanted })
  }
}

/** Starts what was leased ahead. */
export async function note({ world, memory, reports }: WorkerActor): Promise<void> {
  const sessionId = memory.session!
  const waiting = memory.known.filter((lease) => !lease.started && !lease.unwanted && lease.sessionId === sessionId)
  const upto = Math.max(...waiting.map(({ leaseNo }) => leaseNo))
  const alive = await noteStarts(reports.ticket(), { sessionId, queue: 'default', upto })
  if (!alive) return memory.lose(sessionId)
  world.ledger.noted(sessionId, upto)
  if (memory.session === sessionId) for (const lease of waiting) if (memory.known.includes(lease)) lease.started = true
}
