import { expect, test } from 'vitest'
import type { Fault, Occurrence, World } from './faults/fault.ts'
import type { Happening } from './history.ts'
import { carryOut } from './nemesis.ts'
import type { Step } from './plan.ts'

const world = {} as World

function scene(faults: Fault[], plan: Step[]) {
  const told: Happening[] = []
  const steps: string[] = []
  const stopped = new AbortController()
  const run = carryOut({
    plan,
    faults,
    seed: 1,
    world,
    record: (happening) => told.push(happening),
    signal: stopped.signal,
    onStep: (step, what, why) => steps.push([`${step.n} ${what}`, why ?? []].flat().join(': ')),
  })
  return { told, steps, stopped, run }
}

const fault = (name: string, run: (occurrence: Occurrence) => Promise<void>, more: Partial<Fault> = {}): Fault => ({
  name,
  takes: 'rows',
  targets: [],
  lastsMs: [1, 1],
  run,
  ...more,
})

const waits = ({ ms, wait }: Occurrence) => wait(ms)

test('a fault waits for another that takes the same and lasts longer than planned', async () => {
  const { run, steps } = scene(
    [fault('slow', ({ wait }) => wait(60)), fault('quick', waits)],
    [
      { n: 1, fault: 'slow', atMs: 0, ms: 1 },
      { n: 2, fault: 'quick', atMs: 10, ms: 1 },
    ],
  )
  await run
  expect(steps).toEqual(['1 started', '1 ended', '2 started', '2 ended'])
})

test('faults at different processes go on side by side', async () => {
  const atProcess = fault('stop', waits, { takes: 'target', targets: ['a', 'b'] })
  const { run, steps } = scene(
    [atProcess],
    [
      { n: 1, fault: 'stop', target: 'a', atMs: 0, ms: 60 },
      { n: 2, fault: 'stop', target: 'b', atMs: 10, ms: 1 },
    ],
  )
  await run
  expect(steps).toEqual(['1 started', '2 started', '2 ended', '1 ended'])
})

test('what the machine cannot make is told and left out', async () => {
  const impossible = fault('disk', () => Promise.reject(new Error('it ran')), { impossible: () => 'no disk' })
  const { run, steps, told } = scene([impossible], [{ n: 1, fault: 'disk', atMs: 0, ms: 1 }])
  await run
  expect(steps).toEqual(['1 skipped: no disk'])
  expect(told).toEqual([
    { kind: 'fault_started', n: 1, fault: 'disk', skipped: 'no disk' },
    { kind: 'fault_ended', n: 1 },
  ])
})

test('one that fails to come about is told, and the others go on', async () => {
  const { run, steps } = scene(
    [fault('broken', () => Promise.reject(new Error('no way'))), fault('fine', waits)],
    [
      { n: 1, fault: 'broken', atMs: 0, ms: 1 },
      { n: 2, fault: 'fine', atMs: 5, ms: 1 },
    ],
  )
  await run
  expect(steps).toEqual(['1 started', '1 failed: no way', '2 started', '2 ended'])
})

test('when the run is stopped, what is broken is made whole at once and nothing more begins', async () => {
  let whole = false
  const long = fault('long', async ({ ms, wait }) => {
    await wait(ms)
    whole = true
  })
  const { run, steps, stopped } = scene(
    [long],
    [
      { n: 1, fault: 'long', atMs: 0, ms: 60_000 },
      { n: 2, fault: 'long', atMs: 60_000, ms: 60_000 },
    ],
  )
  await new Promise((resolve) => setTimeout(resolve, 10))
  stopped.abort()
  await run
  expect(whole).toBe(true)
  expect(steps).toEqual(['1 started', '1 ended'])
})
