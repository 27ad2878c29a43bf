import { expect, test } from 'vitest'
import { testDatabase } from '../support/database.ts'
import { SCENARIOS } from './scenarios.ts'
import { replay } from './walk.ts'
import type { Scenario } from './scenario.ts'
import { World } from './world.ts'

const db = testDatabase()

/** Walks that have shown a fault once, in the fewest steps. */
const FAULTS: Readonly<Record<string, { scenario: Scenario; steps: readonly string[] }>> = {
  'an outcome is accepted again although its job has ended since by somebody else': {
    scenario: {
      ...SCENARIOS['an outcome is sent again'],
      person: { acts: ['cancel'], times: 1 },
    },
    steps: ['w1: fail, answer lost @01.1', 'person: cancel @01', 'w1: repeat @01.1', 'w1: accepted_before'],
  },
  'an outcome is accepted again although another worker has ended the job since': {
    scenario: SCENARIOS['an outcome is sent again'],
    steps: [
      'w1: fail, answer lost @01.1',
      'scheduler: promote',
      'w2: claim',
      'w2: complete @01.2',
      'w1: repeat @01.1',
      'w1: accepted_before',
    ],
  },
  'an outcome is not taken for accepted when recovery has ended the job and somebody has retried it': {
    scenario: {
      ...SCENARIOS['a session expires under a running job'],
      workers: { w1: ['complete, never arrives', 'repeat'], w2: [] },
      person: { acts: ['cancel', 'retry'], times: 1 },
    },
    steps: [
      'person: cancel @01',
      'person: request_cancel',
      'w1: complete, never arrives @01.1',
      'time: expire w1',
      'recovery: recover',
      'recovery: lock_lost_jobs',
      'recovery: recover_jobs',
      'person: retry @01',
      'w1: repeat @01.1',
      'w1: accepted_before',
    ],
  },
  'a sync that arrives late takes nothing that its session has leased since': {
    scenario: SCENARIOS['a sync arrives late'],
    steps: ['w1: sync, arrives late', 'w1: sync', 'w1: claim', "gate in w1's late sync's sync_leases: open"],
  },
}

test.each(Object.entries(FAULTS))('%s', async (_name, { scenario, steps }) => {
  const world = await World.open(scenario, db.connection)
  try {
    const { violation, taken } = await replay(world, steps, { heal: true })
    expect(violation?.message).toBeUndefined()
    // A step that is not offered any more would be left out, and the walk show nothing.
    expect(taken).toEqual(expect.arrayContaining([...steps]))
  } finally {
    await world.close()
  }
})
