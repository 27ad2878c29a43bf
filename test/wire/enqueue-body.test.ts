import { describe, expect, test } from 'vitest'
import { enqueueFromFields, parseEnqueue } from '../../src/wire/enqueue-body.ts'
import type { EnqueueDefaults } from '../../src/wire/new-job.ts'

const LIMITS = { maxPayloadBytes: 1_048_576 }
const ID = '0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b'

const parse = (body: unknown, defaults?: EnqueueDefaults) =>
  parseEnqueue(typeof body === 'string' ? body : JSON.stringify(body), LIMITS, defaults)
const jobOf = (body: unknown, defaults?: EnqueueDefaults) => {
  const parsed = parse(body, defaults)
  expect(parsed.problems).toBeUndefined()
  return parsed.job!
}
const problemsOf = (body: unknown, defaults?: EnqueueDefaults) => parse(body, defaults).problems ?? []
const pathsOf = (body: unknown) => problemsOf(body).map(({ path }) => path)

test('fills in the defaults of everything that is not said', () => {
  expect(jobOf({ type: 'send_email' })).toEqual({
    type: 'send_email',
    queue: 'default',
    payloadJson: '{}',
    priority: 0,
    maxAttempts: 25,
    tags: [],
  })
})

test('takes every field, durations as milliseconds and instants in UTC', () => {
  const job = jobOf({
    type: 'a/b:c',
    id: ID.toUpperCase(),
    queue: 'emails',
    payload: [1],
    priority: -32768,
    run_at: '2027-06-01T14:00:00.123456789+02:00',
    expires_in: 'PT1.5H',
    max_attempts: 10_000,
    backoff: { kind: 'linear', base: '10s', cap: '1h', jitter: 0 },
    timeout: '2m',
    idempotency_key: 'k',
    tags: ['x', 'y'],
    keep_for: '1d',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  })
  expect(job).toEqual({
    type: 'a/b:c',
    id: ID,
    queue: 'emails',
    payloadJson: '[1]',
    priority: -32768,
    runAt: '2027-06-01T12:00:00.123457Z',
    expiresInMs: 5_400_000,
    maxAttempts: 10_000,
    backoff: { kind: 'linear', baseMs: 10_000, capMs: 3_600_000, jitter: 0 },
    timeoutMs: 120_000,
    idempotencyKey: 'k',
    tags: ['x', 'y'],
    keepForMs: 86_400_000,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  })
})

test('keeps the payload’s text to the last digit and space', () => {
  const payload = '{"id":9007199254740993, "n":123456789012345678901234567890,"x":0.1000000000000000055}'
  expect(jobOf(`{"payload": ${payload} ,"type":"t"}`).payloadJson).toBe(payload)
})

test.each([
  'null',
  '[]',
  'false',
  '0',
  '""',
  '{"__proto__":{"x":1},"constructor":{"prototype":{"y":2}},"toString":1,"":0,"a.b":2}',
])('takes %s for a payload', (payload) => {
  expect(jobOf(`{"type":"t","payload":${payload}}`).payloadJson).toBe(payload)
  expect(({} as { x?: number; y?: number }).x ?? ({} as { y?: number }).y).toBeUndefined()
})

describe('what is not JSON', () => {
  test.each([
    '',
    ' ',
    '{',
    '{"type":"t"',
    '{"type":"t",}',
    "{'type':'t'}",
    '{"type":t}',
    '{"type":"t"} x',
    '{"type":"t" "queue":"q"}',
    'undefined',
    '{"payload":{,},"type":"t"}',
    '{"type":"t","payload":[1,]}',
  ])('refuses %j as malformed', (body) => {
    expect(parse(body).code).toBe('invalid_json')
    expect(problemsOf(body)[0]?.message).toMatch(/JSON/)
  })

  test.each(['[]', 'null', '"x"', '1', 'true'])('calls %s JSON that is no job', (body) => {
    expect(parse(body)).toMatchObject({
      code: 'invalid_job',
      problems: [{ path: '', message: expect.stringContaining('object') }],
    })
  })

  test('refuses a field that stands twice', () => {
    expect(parse('{"type":"a","type":"b"}')).toMatchObject({ code: 'invalid_job', problems: [{ path: 'type' }] })
  })
})

describe('hostile values', () => {
  const FIELDS = [
    ['type', [null, '', 1, {}, '.hidden', 'a/.b', 'ä', 'a b', 'a\n', 'x'.repeat(129), '../x']],
    ['id', [null, '', 1, 'x', '0190a1b2-c3d4-4e5f-8a6b-0c1d2e3f4a5b', `${ID} `, `{${ID}}`]],
    ['queue', [null, '', 1, 'a/b', '.q', 'q\0', 'x'.repeat(129), ['q']]],
    ['priority', [null, '1', 1.5, 32768, -32769, 1e300, true, []]],
    [
      'run_at',
      [
        null,
        0,
        1811851200,
        '',
        'now',
        '2027-06-01',
        '2027-06-01T12:00:00',
        '2027-06-01T12:00Z',
        '2027-02-29T00:00:00Z',
        '2027-06-01T24:00:00Z',
        '2027-06-01T12:00:00,5Z',
        '2027-06-01T12:00:00+24:00',
        '10000-01-01T00:00:00Z',
        '2099-01-01T00:00:00Z',
      ],
    ],
    [
      'delay',
      [
        null,
        90,
        '90',
        '1.5h',
        '1h30m',
        'P1M',
        'P1Y',
        'P',
        'PT',
        '-5s',
        'PT-5S',
        '30 s',
        '5M',
        '٣٠s',
        '1e3s',
        '11000d',
        'PT4294967297M',
      ],
    ],
    ['expires_at', [null, 5, 'tomorrow', '2027-06-01']],
    ['expires_in', [null, '0s', 5, '5', '-1s']],
    ['max_attempts', [null, 0, -1, 1.5, 10_001, '5']],
    ['timeout', [null, '0s', 0, '25d', 'soon']],
    ['idempotency_key', [null, '', 5, 'x'.repeat(256), 'ü'.repeat(128), 'a\0b', 'a\nb', '\ud800']],
    ['tags', [null, 'x', {}, Array.from({ length: 21 }, (_, index) => `t${index}`), ['a', 'a']]],
    ['keep_for', [null, 5, '-1d', '11000d']],
    [
      'traceparent',
      [
        null,
        '',
        'x',
        '00-00000000000000000000000000000000-b7ad6b7169203331-01',
        'ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      ],
    ],
    ['backoff', [null, 'exponential', [], 5]],
  ] as const

  test.each(FIELDS.flatMap(([field, values]) => values.map((value) => [field, value] as const)))(
    'refuses %s %j with its path alone',
    (field, value) => {
      const body = { type: 't', [field]: value }
      expect(parse(body).code).toBe('invalid_job')
      expect(pathsOf(body)).toEqual([field])
    },
  )

  test.each([
    ['backoff.kind', { kind: 'random', base: '1s' }],
    ['backoff.kind', { base: '1s' }],
    ['backoff.base', { kind: 'fixed' }],
    ['backoff.base', { kind: 'fixed', base: '0s' }],
    ['backoff.base', { kind: 'fixed', base: 5 }],
    ['backoff.cap', { kind: 'fixed', base: '5s', cap: '1s' }],
    ['backoff.jitter', { kind: 'fixed', base: '5s', jitter: 1.5 }],
    ['backoff.jitter', { kind: 'fixed', base: '5s', jitter: '0.1' }],
    ['backoff.factor', { kind: 'fixed', base: '5s', factor: 2 }],
  ])('refuses %s in %j', (path, backoff) => {
    expect(pathsOf({ type: 't', backoff })).toEqual([path])
  })

  test('refuses one tag of many with its index', () => {
    expect(pathsOf({ type: 't', tags: ['ok', '', 5, 'a\0', '\udc00'] })).toEqual([
      'tags[1]',
      'tags[2]',
      'tags[3]',
      'tags[4]',
    ])
  })

  test('refuses a million tags for one reason', () => {
    expect(problemsOf({ type: 't', tags: Array(1_000_000).fill(1) })).toHaveLength(1)
  })

  test('names no more than fifty of a hundred thousand unknown fields', () => {
    const body = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`field_number_${index}`, 1]))
    expect(problemsOf({ type: 't', ...body })).toHaveLength(50)
  })

  test.each([
    ['payload.a', '{"a":"\\u0000"}'],
    ['payload[1]', '[1,"\\ud800"]'],
    ['payload.n', '{"n":1e131071}'],
    ['payload.a', '{"a":1,"a":2}'],
  ])('refuses what PostgreSQL cannot hold at %s', (path, payload) => {
    expect(parse(`{"type":"t","payload":${payload}}`)).toMatchObject({ code: 'invalid_job', problems: [{ path }] })
  })

  test('calls a payload over the limit too large, at its path', () => {
    const body = JSON.stringify({ type: 't', payload: 'x'.repeat(100) })
    expect(parseEnqueue(body, { maxPayloadBytes: 101 })).toMatchObject({
      code: 'payload_too_large',
      problems: [{ path: 'payload' }],
    })
    expect(parseEnqueue(body, { maxPayloadBytes: 102 }).job).toBeDefined()
  })

  test('takes a field named __proto__ for an unknown one and changes no prototype', () => {
    expect(pathsOf('{"type":"t","__proto__":{"queue":"q"}}')).toEqual(['__proto__'])
  })
})

test('names every problem at once', () => {
  const body = {
    queue: 'a/b',
    priority: 'high',
    delay: '5',
    maxAttempts: 3,
    payload: { ok: true },
    backoff: { kind: 'x' },
  }
  expect(
    problemsOf(body)
      .map(({ path }) => path)
      .toSorted(),
  ).toEqual(['backoff.base', 'backoff.kind', 'delay', 'maxAttempts', 'priority', 'queue', 'type'])
})

test('names the known field that was meant', () => {
  expect(problemsOf({ type: 't', runAt: '2027-06-01T12:00:00Z', priorty: 1, zzz: 1 })).toEqual([
    { path: 'runAt', message: 'unknown field; did you mean "run_at"?' },
    { path: 'priorty', message: 'unknown field; did you mean "priority"?' },
    { path: 'zzz', message: 'unknown field' },
  ])
  expect(problemsOf({ type: 't', backoff: { kind: 'fixed', base: '1s', jiter: 1 } })).toEqual([
    { path: 'backoff.jiter', message: 'unknown field; did you mean "jitter"?' },
  ])
})

test.each(['unique', 'concurrency_key', 'group', 'depends_on', 'on_dependency_failure', 'batch_id'])(
  'says that this release does not support %s',
  (field) => {
    expect(parse({ type: 't', [field]: 'x' })).toEqual({
      code: 'unsupported',
      problems: [{ path: field, message: 'is not supported by this release' }],
    })
  },
)

test('calls a job that is impossible anyway impossible, not unsupported', () => {
  expect(parse({ group: 'x' }).code).toBe('invalid_job')
})

test('refuses two fields that say the same thing in two ways', () => {
  expect(pathsOf({ type: 't', run_at: '2027-06-01T12:00:00Z', delay: '5s' })).toEqual(['delay'])
  expect(pathsOf({ type: 't', expires_at: '2027-06-01T12:00:00Z', expires_in: '5s' })).toEqual(['expires_in'])
})

test('takes a run_at in the past and one just within ten years', () => {
  expect(jobOf({ type: 't', run_at: '1990-01-01T00:00:00Z' }).runAt).toBe('1990-01-01T00:00:00.000000Z')
  const year = new Date().getUTCFullYear() + 9
  expect(jobOf({ type: 't', run_at: `${year}-12-31T00:00:00Z` }).runAt).toBe(`${year}-12-31T00:00:00.000000Z`)
})

test('takes the key of the header, and refuses another one in the body', () => {
  expect(jobOf({ type: 't' }, { idempotencyKey: 'k' }).idempotencyKey).toBe('k')
  expect(jobOf({ type: 't', idempotency_key: 'k' }, { idempotencyKey: 'k' }).idempotencyKey).toBe('k')
  expect(problemsOf({ type: 't', idempotency_key: 'x' }, { idempotencyKey: 'k' })).toMatchObject([
    { path: 'idempotency_key' },
  ])
})

test('a cap shorter than the default one is the caller’s, a base longer than it raises it', () => {
  expect(jobOf({ type: 't', backoff: { kind: 'fixed', base: '2d' } }).backoff).toEqual({
    kind: 'fixed',
    baseMs: 172_800_000,
    capMs: 172_800_000,
    jitter: 0.2,
  })
})

test('checks fields of another source alike', () => {
  expect(enqueueFromFields({ type: 't', delay: '5s' }, '[1]', LIMITS).job).toMatchObject({
    delayMs: 5_000,
    payloadJson: '[1]',
  })
  expect(enqueueFromFields({ type: 't' }, undefined, LIMITS).job).toMatchObject({ payloadJson: '{}' })
  expect(enqueueFromFields({ delay: '5' }, '{"a":"\\u0000"}', LIMITS).problems?.map(({ path }) => path)).toEqual([
    'payload.a',
    'type',
    'delay',
  ])
})
