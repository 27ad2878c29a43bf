import { isForgeQError } from '../../src/errors.ts'
import { insertGuarded } from '../../src/queue/guarded-inserts.ts'
import { newJob } from '../support/factory.ts'
import type { World } from './world.ts'

const KEY = 'k'
export type EnqueueStep = 'enqueue' | 'enqueue, rolled back'

/** A program that enqueues one job under one key, and repeats it: each time it must be told of a job that is stored. */
export async function enqueuer(
  world: World,
  name: string,
  steps: readonly EnqueueStep[],
  times: number,
): Promise<void> {
  const road = world.road(name, 'enqueue')
  for (let left = times; left > 0; left--) {
    world.remember(name, left)
    const step = await world.stage.pass(name, steps)
    const id = world.enqueuedId(name, left)
    world.ledger.enqueued(id, 5)
    road.ticket()
    try {
      const told = await road.pool().transaction(async (tx) => {
        const [stored] = await insertGuarded(
          tx,
          [{ ...newJob({ idempotencyKey: KEY }), id, meaning: 'm', given: false }],
          () => '',
        )
        if (step === 'enqueue, rolled back') throw new RolledBack()
        return stored!
      })
      // What was told of may have been deleted since.
      if (told.kind === 'created') world.ledger.acknowledged(id)
    } catch (error) {
      if (!(error instanceof RolledBack) && !isForgeQError(error, 'unavailable')) throw error
    }
  }
  world.remember(name, 0)
}

class RolledBack extends Error {}
