import { expect, test } from 'vitest'
import { check } from './checker/check.ts'
import { LIMITS, LOST, Story } from './checker/story.ts'
import type { HistoryEvent } from './history.ts'

/** Everything that a run must have seen before it counts, but for one thing. */
function bitten(without = ''): HistoryEvent[] {
  const s = new Story()
  s.enqueue('a')
  s.enqueue('b', { answer: without === STORED ? 'acknowledged' : 'unknown' })
  if (without !== NOT_STORED) s.enqueue('c', { answer: 'unknown' })
  s.start('a', 1)
  if (without !== SAMPLE) s.sample('a', { state: 'running' })
  const busy = without === BUSY ? [] : ['a']
  if (without === JUDGED) s.tell({ kind: 'fault_started', n: 3, fault: 'read-only', hinders: true })
  s.tell({ kind: 'killed', pid: 1, what: 'worker', worker: 'worker-1', busy })
  s.wait(1_500, { looks: without !== LOOKS })
  const first = without === EXPIRED ? s.run('a', 1, 'released') : s.run('a', 1, 'lost', { error: LOST })
  s.start('a', 2, { attempt: first.outcome === 'lost' ? 2 : 1 })
  s.end('a', 2)
  if (without !== REFUSED) s.tell({ kind: 'refused_outcome', job: 'a', token: 1 })
  s.tell({ kind: 'fault_started', n: 1, fault: 'kill', target: 'worker-1' })
  s.tell({ kind: 'fault_started', n: 2, fault: 'disk full', skipped: 'no rights to mount' })
  s.heal()
  const second = s.run('a', 2, 'completed', { attempt: first.outcome === 'lost' ? 2 : 1 })
  s.export('a', { lost: first.outcome === 'lost' ? 1 : 0, attempts: [first, second] })
  s.completes('b')
  return without === PROBE ? s.events.filter((event) => event.kind !== 'probe') : s.events
}

const REFUSED = 'no late outcome was refused'
const STORED = 'no enqueue without an answer was stored'
const NOT_STORED = 'no enqueue without an answer was not stored'
const EXPIRED = 'no lease expired'
const BUSY = 'no busy worker was killed'
const SAMPLE = 'no job was read while the faults went on'
const PROBE = 'no probe of the database was answered'
const LOOKS = 'overdue leases were looked for in less than half of the seconds'
const JUDGED = 'overdue leases could be judged in less than a quarter of the seconds'

test('passes what held although it was bitten, and reports its figures', () => {
  const { passed, vacuous, figures } = check(bitten(), LIMITS)
  expect(vacuous).toEqual([])
  expect(passed).toBe(true)
  expect(figures).toMatchObject({
    acknowledged: 1,
    byWork: { return: 1 },
    finalStates: { completed: 2 },
    runs: 3,
    lostRuns: 1,
    refusedOutcomes: 1,
    unknownEnqueues: { stored: 1, notStored: 1 },
    faults: { kill: 1 },
    skipped: { 'disk full': 1 },
    kills: { worker: 1 },
    observed: { samples: 1, looks: 1, judgedLooks: 1 },
    killToNextRunMs: { n: 1, p50: 1510, p99: 1510, max: 1510 },
  })
})

test.each([REFUSED, STORED, NOT_STORED, EXPIRED, BUSY, SAMPLE, JUDGED])('fails as vacuous when %s', (reason) => {
  const { passed, violations, vacuous } = check(bitten(reason), LIMITS)
  expect(violations).toEqual([])
  expect(vacuous).toEqual([reason])
  expect(passed).toBe(false)
})

test.each([PROBE, LOOKS])('fails as vacuous when %s: then nothing could be judged either', (reason) => {
  expect(check(bitten(reason), LIMITS).vacuous).toEqual([reason, JUDGED])
})

test('counts an enqueue without an answer as stored when its repeat finds the job, and as not stored when it makes it', () => {
  const found = new Story()
  found.enqueue('a', { key: 'k', answer: 'unknown' })
  found.enqueue('a', { key: 'k', answer: 'unknown' })
  found.enqueue('a', { key: 'k', created: false })
  found.completes('a')
  expect(check(found.events, LIMITS).figures.unknownEnqueues).toEqual({ stored: 1, notStored: 1 })
  const made = new Story()
  made.enqueue('a', { key: 'k', answer: 'unknown' })
  made.enqueue('a', { key: 'k' })
  made.completes('a')
  expect(check(made.events, LIMITS).figures.unknownEnqueues).toEqual({ stored: 0, notStored: 1 })
})

test('reports how long after the healing the last job became final', () => {
  const s = new Story()
  s.enqueue('a')
  s.enqueue('b')
  s.heal()
  const healed = s.now
  s.completes('a')
  s.wait(400)
  s.start('b', 1)
  const ended = s.now
  s.end('b', 1)
  s.export('b', { attempts: [s.run('b', 1, 'completed')] })
  const { healedToLastFinalMs } = check(s.events, LIMITS).figures
  expect(Math.abs(healedToLastFinalMs! - (ended - healed))).toBeLessThan(50)
})

test('takes events in any order', () => {
  const events = bitten()
  expect(check(events.toReversed(), LIMITS)).toEqual(check(events, LIMITS))
})

test('judges two hundred thousand events in seconds: what it costs grows with them and no faster', () => {
  const s = new Story()
  for (let n = 0; n < 40_000; n++) {
    s.enqueue(`job-${n}`)
    s.completes(`job-${n}`)
  }
  expect(s.events.length).toBeGreaterThan(200_000)
  const before = performance.now()
  expect(check(s.events, LIMITS).broken).toEqual([])
  expect(performance.now() - before).toBeLessThan(20_000)
})
