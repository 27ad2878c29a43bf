import { createRecovery } from '../../src/loops/recovery.ts'
import { promoteDueJobs } from '../../src/store/due.ts'
import { createJobs } from '../../src/queue/jobs.ts'
import { isForgeQError } from '../../src/errors.ts'
import { loopContext } from '../support/loops.ts'
import type { World } from './world.ts'

export type RecoveryStep = 'recover' | 'recover, held'

/** Recovery as the product runs it: it ends sessions, then looks and writes, each when it is told to. */
export async function recovery(world: World, name: string, steps: readonly RecoveryStep[]): Promise<void> {
  const road = world.road(name, 'recovery')
  const { runOnce } = createRecovery(loopContext(road.pool()))
  for (;;) {
    const step = await world.stage.pass(name, () => (world.unbound ? ['recover'] : steps))
    if (step === 'recover, held') await world.hold(name, road, 'lock_lost_jobs')
    road.ticket()
    await runOnce()
  }
}

export type SchedulerStep = 'promote' | 'promote, held'

export async function scheduler(world: World, name: string, steps: readonly SchedulerStep[]): Promise<void> {
  const road = world.road(name, 'scheduler')
  for (;;) {
    const step = await world.stage.pass(name, () => (world.unbound ? ['promote'] : steps))
    if (step === 'promote, held') await world.hold(name, road, 'promote_due_jobs')
    await promoteDueJobs(road.ticket(), { limit: 10 })
  }
}

export type TimeStep = 'expire' | 'wait'

/** What only time does: a session expires, as if its worker had not been heard for a lease; what waits becomes due. */
export async function time(world: World, name: string, steps: readonly TimeStep[], times: number): Promise<void> {
  const ways = steps.flatMap((step) =>
    step === 'wait' ? ['wait'] : Object.keys(world.scenario.workers).map((worker) => `expire ${worker}`),
  )
  for (let left = times; left > 0; left--) {
    world.remember(name, left)
    const step = await world.stage.pass(name, ways)
    await (step === 'wait' ? world.ripen() : world.expire(step.slice('expire '.length)))
  }
  world.remember(name, 0)
}

export type Act = 'cancel' | 'retry' | 'run' | 'delete'

/** A person, by the product's own roads, each act at most `times`. */
export async function person(world: World, name: string, acts: readonly Act[], times: number): Promise<void> {
  const road = world.road(name, 'acts')
  const figures = {} as Parameters<typeof createJobs>[0]['figures']
  const jobs = createJobs({
    db: road,
    keeping: world.keeping,
    notifier: { wake() {}, flush: () => Promise.resolve() },
    figures,
  })
  const left = new Map(acts.map((act) => [act, times]))
  for (;;) {
    const open = acts.filter((act) => left.get(act)! > 0)
    if (open.length === 0) return
    const steps = () => world.jobIds.flatMap((id) => open.map((act) => `${act} @${id.slice(-2)}`))
    const [act, which] = (await world.stage.pass(name, steps)).split(' @') as [Act, string]
    left.set(act, left.get(act)! - 1)
    world.remember(name, [act, which, ...left.values()])
    const id = world.jobIds.find((one) => one.endsWith(which))!
    world.sends(road, { kind: 'act' })
    road.ticket()
    // That the job's state does not allow it is an answer as good as any.
    await jobs[act](id).catch((error: unknown) => {
      if (!isForgeQError(error, 'wrong_state') && !isForgeQError(error, 'job_not_found')) throw error
    })
  }
}
