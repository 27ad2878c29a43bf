import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jobBySchema } from '../../src/wire/enqueue-body.ts'
import { plainJob } from '../../src/wire/plain-job.ts'

const LIMITS = { maxPayloadBytes: 100 }

const number = fc.oneof(fc.integer({ min: -40_000, max: 40_000 }), fc.double(), fc.constantFrom(-0, 1, 10_000, 10_001))
const text = fc.oneof(
  fc.constantFrom(
    'send_email',
    'mail/welcome',
    'a/.b',
    '',
    ' ',
    'a\u0000',
    '\ud800',
    'é',
    'x'.repeat(128),
    'x'.repeat(129),
  ),
  fc.constant('ü'.repeat(128)),
  fc.string({ maxLength: 10 }),
)
const value = fc.oneof(text, number, fc.constantFrom(null, undefined, true, [], {}))
const mostly = (good: unknown, other: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(good) }, { weight: 1, arbitrary: other })
const fields = fc
  .record(
    {
      type: mostly('report', text),
      queue: mostly('slow', text),
      priority: mostly(5, number),
      max_attempts: mostly(3, number),
      idempotency_key: mostly('one', text),
    },
    { requiredKeys: [] },
  )
  .chain((known) =>
    fc.oneof(
      { weight: 3, arbitrary: fc.constant({ type: 'report', ...known }) },
      {
        weight: 1,
        arbitrary: fc
          .constantFrom('delay', 'other', '__proto__', ...Object.keys(known))
          .chain((name) =>
            value.map((one) =>
              Object.defineProperty({ ...known }, name, { value: one, enumerable: true, configurable: true }),
            ),
          ),
      },
    ),
  )
const payload = fc.constantFrom(undefined, '{}', ' [1, 2] ', '{"a":1,"a":2}', '"\\u0000"', `"${'x'.repeat(100)}"`)
const defaults = fc.constantFrom({}, { idempotencyKey: 'one' }, { idempotencyKey: 'two', traceparent: '00-1-2-00' })

test('says of a job exactly what the schema says, or nothing', () => {
  let said = 0
  fc.assert(
    fc.property(fields, payload, defaults, (given, payloadJson, headers) => {
      const plain = plainJob(given, payloadJson, LIMITS, headers)
      if (plain === undefined) return
      said += 1
      expect(plain).toStrictEqual(jobBySchema(given, payloadJson, LIMITS, headers))
    }),
    { numRuns: 5_000 },
  )
  expect(said).toBeGreaterThan(500)
})

test('knows what most jobs are made of', () => {
  const given = { type: 'report', queue: 'slow', priority: -5, max_attempts: 3, idempotency_key: 'one' }
  for (const [name, one] of Object.entries(given)) {
    const plain = plainJob({ type: 'report', [name]: one }, '{"n":1}', LIMITS)
    expect(plain?.job, name).toMatchObject({ payloadJson: '{"n":1}' })
  }
})
