import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault, World } from './faults/fault.ts'
import type { Step } from './plan.ts'
import { seeded } from './random.ts'
import { now, type Recorder } from './recorder.ts'

export interface NemesisOptions {
  plan: readonly Step[]
  faults: readonly Fault[]
  seed: number
  world: World
  record: Recorder
  /** Ends the waiting, so that everything is made whole at once. */
  signal: AbortSignal
  onStep(step: Step, what: 'started' | 'ended' | 'skipped' | 'failed', why?: string): void
}

/** Carries out the plan, each fault at its time; resolves when the last one is over and all is whole again. */
export async function carryOut({ plan, faults, seed, world, record, signal, onStep }: NemesisOptions): Promise<void> {
  const beginning = now()
  setMaxListeners(0, signal) // each step waits on it
  const wait = (ms: number) => sleep(ms, undefined, { signal }).catch(() => {})

  /** By what is taken: resolves when it is free again. A fault may end later than planned, and the next one waits. */
  const taken = new Map<string, Promise<void>>()

  const occurInTurn = (step: Step): Promise<void> => {
    const fault = faults.find(({ name }) => name === step.fault)!
    if (fault.takes === 'background') return occur(step, fault, Promise.resolve())
    const what = fault.takes === 'target' ? step.target! : fault.takes
    const occurred = occur(step, fault, taken.get(what) ?? Promise.resolve())
    taken.set(what, occurred)
    return occurred
  }

  const occur = async (step: Step, fault: Fault, free: Promise<void>): Promise<void> => {
    await wait(Math.max(0, beginning + step.atMs - now()))
    await free
    if (signal.aborted) return
    const { n, target, ms } = step
    const skipped = fault.impossible?.(world)
    let failed: string | undefined
    record({
      kind: 'fault_started',
      n,
      fault: fault.name,
      ...(target === undefined ? {} : { target }),
      ...(fault.hinders ? { hinders: true } : {}),
      ...(skipped === undefined ? {} : { skipped }),
    })
    if (skipped !== undefined) {
      onStep(step, 'skipped', skipped)
    } else {
      onStep(step, 'started')
      try {
        await fault.run({ target, ms, random: seeded(seed, `step ${n}`), world, wait })
        onStep(step, 'ended')
      } catch (error) {
        failed = (error as Error).message
        onStep(step, 'failed', failed)
      }
    }
    record({ kind: 'fault_ended', n, ...(failed === undefined ? {} : { failed }) })
  }
  await Promise.all(plan.map(occurInTurn))
}
