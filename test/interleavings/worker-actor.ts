import type { LeaseKey } from './ledger.ts'
import type { Road } from './road.ts'
import { claim, note } from './worker-claims.ts'
import { WorkerMemory } from './worker-memory.ts'
import { leaseName, workerOffers } from './worker-offers.ts'
import { echo, end, progress, report } from './worker-reports.ts'
import { distrust, heartbeat, register } from './worker-sessions.ts'
import type { WorkerStep } from './worker-steps.ts'
import { sync } from './worker-sync.ts'
import type { World } from './world.ts'

/** A worker in slow motion: what the product's worker does with the store, one statement a step, in any order that it could. */
export class WorkerActor {
  readonly name: string
  readonly world: World
  readonly memory = new WorkerMemory()
  readonly claims: Road
  readonly reports: Road
  readonly spare: Road
  readonly #may: ReadonlySet<WorkerStep>

  constructor(world: World, name: string, may: readonly WorkerStep[]) {
    this.name = name
    this.world = world
    this.#may = new Set(may)
    this.claims = world.road(name, 'claims')
    this.reports = world.road(name, 'reports')
    this.spare = world.road(name, 'spare')
  }

  readonly script = async (): Promise<void> => {
    const may = (step: WorkerStep) => this.world.unbound || this.#may.has(step)
    for (;;) {
      const passed = await this.world.stage.pass(this.name, () => workerOffers(this.memory, may))
      const [step, lease] = passed.split(' @') as [WorkerStep, string | undefined]
      await this.#take(step, lease)
    }
  }

  async #take(step: WorkerStep, named: string | undefined): Promise<void> {
    const is = (lease: LeaseKey) => leaseName(lease) === named
    const { known, unsettled, sent } = this.memory
    const [what, how] = step.split(', ') as [string, string | undefined]
    switch (what) {
      case 'register':
        return register(this)
      case 'claim':
        return claim(this, how, 1)
      case 'claim ahead':
        return claim(this, how, 0)
      case 'note':
        return note(this)
      case 'complete':
      case 'fail':
      case 'snooze':
      case 'release':
        return end(this, known.find(is)!, what, how)
      case 'repeat':
        return report(
          this,
          unsettled.find(({ lease }) => is(lease))!,
        )
      case 'echo':
        return echo(
          this,
          sent.find(({ lease }) => is(lease))!,
        )
      case 'progress':
        return progress(this, known.find(is)!)
      case 'heartbeat':
        return heartbeat(this)
      case 'distrust':
        return distrust(this)
      case 'crash':
        return this.memory.crash()
      default:
        return sync(this, how)
    }
  }
}
