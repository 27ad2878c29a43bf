import { beforeEach, expect, test } from 'vitest'
import { ForgeQError } from '../../src/errors.ts'
import { createLabelBound, OTHER } from '../../src/job/label-bound.ts'
import { queueFigures } from './fake-queue.ts'
import { setUp, type Setup } from './setup.ts'

let s: Setup
beforeEach(() => {
  s = setUp()
})

interface Sample {
  name: string
  labels: Record<string, string>
  value: number
}

/** A strict reader of the Prometheus text format: a line that does not fit is an error. */
function parse(text: string): Sample[] {
  expect(text.endsWith('\n')).toBe(true)
  const samples: Sample[] = []
  for (const line of text.split('\n')) {
    if (line === '' || /^# (HELP|TYPE) [a-z_]+ .+$/.test(line)) continue
    const match =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(
        line,
      )
    if (!match) throw new Error(`not a line of the format: ${line}`)
    const labels: Record<string, string> = {}
    for (const [, name, value] of (match[2] ?? '').matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)) {
      labels[name!] = value!.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
    }
    samples.push({ name: match[1]!, labels, value: Number(match[3]) })
  }
  return samples
}

const scrape = async () => {
  const answer = await s.ask('/metrics')
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8'])
  const samples = parse(await answer.text())
  return {
    samples,
    value: (name: string, labels: Record<string, string> = {}) =>
      samples.find((sample) => sample.name === name && JSON.stringify(sample.labels) === JSON.stringify(labels))?.value,
  }
}

test('shows the store’s figures under their names', async () => {
  s.fake.storeFigures = {
    queues: [
      queueFigures('emails', {
        depth: { scheduled: 1, pending: 2, running: 3, retrying: 4, blocked: 0, dead: 5 },
        oldestPendingSeconds: 1.25,
      }),
    ],
    enqueued: [
      { queue: 'emails', type: 'a', count: 10 },
      { queue: 'emails', type: 'b', count: 5 },
    ],
    outcomes: [{ queue: 'emails', type: 'a', outcome: 'completed', count: 7 }],
    lost: 2,
    workers: 3,
  }
  const { value } = await scrape()
  expect(value('forgeq_jobs', { queue: 'emails', state: 'retrying' })).toBe(4)
  expect(value('forgeq_oldest_pending_seconds', { queue: 'emails' })).toBe(1.25)
  expect(value('forgeq_enqueued_total')).toBe(15)
  expect(value('forgeq_outcomes_total', { queue: 'emails', type: 'a', outcome: 'completed' })).toBe(7)
  expect(value('forgeq_lost_total')).toBe(2)
  expect(value('forgeq_workers')).toBe(3)
  expect(value('forgeq_up')).toBe(1)
})

test('does not add one scrape to the next', async () => {
  s.fake.storeFigures = {
    queues: [queueFigures('q')],
    enqueued: [{ queue: 'q', type: 't', count: 1 }],
    outcomes: [],
    lost: 0,
    workers: 0,
  }
  const [first, second] = [await scrape(), await scrape()]
  expect(second.value('forgeq_enqueued_total')).toBe(first.value('forgeq_enqueued_total'))
  expect(second.value('forgeq_jobs', { queue: 'q', state: 'pending' })).toBe(1)
})

test('an odd name reads back as it was and blinds nothing', async () => {
  const odd = 'a"b\\c\nforgeq_up 0'
  s.fake.storeFigures = {
    queues: [queueFigures(odd), queueFigures('q')],
    enqueued: [],
    outcomes: [{ queue: odd, type: odd, outcome: 'completed', count: 1 }],
    lost: 0,
    workers: 0,
  }
  const { value } = await scrape()
  expect(value('forgeq_outcomes_total', { queue: odd, type: odd, outcome: 'completed' })).toBe(1)
  expect(value('forgeq_jobs', { queue: 'q', state: 'pending' })).toBe(1)
  expect(value('forgeq_up')).toBe(1)
})

test('gives a thousand queues no more series than the bound, and loses no job', async () => {
  const queues = Array.from({ length: 1_000 }, (_, index) => queueFigures(`q${index}`, { oldestPendingSeconds: index }))
  s.fake.storeFigures = { ...s.fake.storeFigures, queues }
  const { samples, value } = await scrape()
  const pending = samples.filter(({ name, labels }) => name === 'forgeq_jobs' && labels['state'] === 'pending')
  expect(pending).toHaveLength(201)
  expect(pending.reduce((sum, sample) => sum + sample.value, 0)).toBe(1_000)
  expect(value('forgeq_oldest_pending_seconds', { queue: OTHER })).toBe(999)
})

test('tells that the database is away and still answers', async () => {
  s.fake.failure = new ForgeQError('unavailable', 'away')
  const { value } = await scrape()
  expect(value('forgeq_up')).toBe(0)
  expect(value('forgeq_workers')).toBeUndefined()
})

test('a label that was let through once stays, whatever comes later', () => {
  const bound = createLabelBound(2)
  expect(['b', 'a', 'c', 'b', '_other', 'a'].map(bound)).toEqual(['b', 'a', OTHER, 'b', OTHER, 'a'])
})
