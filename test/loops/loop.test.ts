import { afterEach, describe, expect, test } from 'vitest'
import { createLoop, type Loop, type LoopOptions } from '../../src/loops/loop.ts'
import { takePass } from '../../src/store/passes.ts'
import { testDatabase } from '../support/database.ts'
import { loopContext } from '../support/loops.ts'
import { gate, until } from '../support/worker.ts'

const db = testDatabase()
const loops: Loop[] = []
afterEach(() => Promise.all(loops.splice(0).map((loop) => loop.stop())))

function make(run: () => Promise<number>, fields: Partial<LoopOptions> = {}): Loop {
  const loop = createLoop({
    name: 'test',
    intervalMs: 60_000,
    batch: 10,
    log: loopContext(db.pool).log,
    run,
    ...fields,
  })
  loops.push(loop)
  return loop
}

describe('a loop', () => {
  test('makes a pass at its start and then waits for its interval', async () => {
    let passes = 0
    make(async () => (passes++, 0)).start()
    await until('it has passed', () => passes === 1)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(passes).toBe(1)
  })

  test('goes again at once after a full batch, and tells how much it handled', async () => {
    const batches = [10, 10, 4]
    const handled: number[] = []
    let passes = 0
    make(async () => batches[passes++] ?? 0, { onHandled: (name, n) => void handled.push(n) }).start()
    await until('the batches are done', () => passes === 3)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(passes).toBe(3)
    expect(handled).toEqual([10, 10, 4])
  })

  test('goes on after a full batch although whoever comes next would have no turn', async () => {
    const batches = [10, 10, 4]
    let passes = 0
    let turns = 0
    make(async () => batches[passes++] ?? 0, { turn: async () => turns++ === 0 }).start()
    await until('the batches are done', () => passes === 3)
  })

  test('sleeps until there is something to do', async () => {
    const began = performance.now()
    const at: number[] = []
    make(async () => (at.push(performance.now() - began), 0), {
      look: async () => ({ mine: true, nextMs: 80 }),
    }).start()
    await until('it has passed twice', () => at.length >= 2)
    expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(75)
    expect(at[1]! - at[0]!).toBeLessThan(1_000)
  })

  test('starts a pass at a wake-up', async () => {
    let passes = 0
    const loop = make(async () => (passes++, 0))
    loop.start()
    await until('it has passed', () => passes === 1)
    loop.wake()
    await until('it has passed again', () => passes === 2)
  })

  test('remembers a wake-up that comes during a pass, as one', async () => {
    const first = gate()
    let passes = 0
    const loop = make(async () => {
      if (++passes === 1) await first.promise
      return 0
    })
    loop.start()
    await until('the pass is under way', () => passes === 1)
    for (let n = 0; n < 5; n++) loop.wake()
    first.open()
    await until('it has passed again', () => passes === 2)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(passes).toBe(2)
  })

  test('remembers a wake-up that comes while it looks for something to do', async () => {
    const asked = gate()
    const answer = gate<boolean>()
    let passes = 0
    let looks = 0
    const loop = make(async () => (passes++, 0), {
      async look() {
        asked.open()
        return { mine: looks++ === 0 ? await answer.promise : looks === 2 }
      },
    })
    loop.start()
    await asked.promise
    loop.wake()
    answer.open(false)
    await until('it has passed for the wake-up', () => passes === 1)
  })

  test('a pass that failed is still its own, whoever else might have a turn now', async () => {
    let passes = 0
    let looks = 0
    make(
      async () => {
        if (++passes === 1) throw new Error('the database is away')
        return 0
      },
      { look: async () => ({ mine: looks++ === 0 }) },
    ).start()
    await until('it has passed again', () => passes === 2)
  })

  test('tries a pass that fails again, with growing pauses, and then goes on as before', async () => {
    const at: number[] = []
    let failures = 3
    make(
      async () => {
        at.push(performance.now())
        if (failures-- > 0) throw new Error('the database is away')
        return 0
      },
      { look: async () => ({ mine: true, nextMs: 20 }) },
    ).start()
    await until('it has come through', () => at.length >= 5, { withinMs: 5_000 })
    const pauses = at.slice(1).map((time, index) => time - at[index]!)
    expect(pauses[0]).toBeGreaterThanOrEqual(145)
    expect(pauses[1]).toBeGreaterThanOrEqual(295)
    expect(pauses[2]).toBeGreaterThanOrEqual(590)
    expect(pauses[3]).toBeLessThan(500)
  })

  test('lets the pass that is under way finish when it is stopped', async () => {
    const end = gate()
    let finished = false
    let passes = 0
    const loop = make(async () => {
      passes++
      await end.promise
      finished = true
      return 10
    })
    loop.start()
    await until('the pass is under way', () => passes === 1)
    const stopping = loop.stop()
    loop.wake()
    end.open()
    await stopping
    expect(finished).toBe(true)
    expect(passes).toBe(1)
  })

  test('leaves a pass to the process that has just made it', async () => {
    const passes = { first: 0, second: 0 }
    const shared = { intervalMs: 10, turn: () => takePass(db.pool, { name: 'shared', withinMs: 200 }) }
    make(async () => (passes.first++, 0), shared).start()
    make(async () => (passes.second++, 0), shared).start()
    const began = performance.now()
    await until('several passes are made', () => passes.first + passes.second >= 4)
    expect(performance.now() - began).toBeGreaterThanOrEqual(590)
  })
})
