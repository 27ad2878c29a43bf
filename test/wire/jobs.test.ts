import { expect, test } from 'vitest'
import type { Job } from '../../src/job/job.ts'
import { JobView, jobJson, LIST_VALUE_BYTES, resultJson } from '../../src/wire/jobs.ts'

const JOB: Job = {
  id: '0190a1b2-c3d4-7e5f-8a6b-0c1d2e3f4a5b',
  type: 'send_email',
  queue: 'default',
  state: 'pending',
  payloadJson: '{"id": 9007199254740993, "x": 0.1000000000000000055}',
  priority: 0,
  runAt: '2027-06-01T12:00:00.000000Z',
  createdAt: '2027-06-01T12:00:00.000000Z',
  attempt: 0,
  maxAttempts: 25,
  lost: 0,
  tags: [],
}

const FULL: Job = {
  ...JOB,
  state: 'dead',
  reason: 'attempts',
  startedAt: '2027-06-01T12:00:01.000000Z',
  finishedAt: '2027-06-01T12:00:02.000000Z',
  expiresAt: '2027-06-02T12:00:00.000000Z',
  timeoutMs: 1_500,
  backoff: { kind: 'fixed', baseMs: 1_000, capMs: 60_000, jitter: 0.2 },
  keepForMs: 86_400_000,
  idempotencyKey: 'k',
  progress: { value: 0.5, message: 'half' },
  resultJson: '12345678901234567890.5',
  error: { name: 'Error', message: 'no', stack: 's', code: 'E', fingerprint: 'f', truncated: true },
  worker: { id: 'w', name: 'one', host: 'h', pid: 5 },
  cancelRequestedAt: '2027-06-01T12:00:01.000000Z',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  attempts: [
    {
      attempt: 1,
      token: 7,
      worker: { id: 'w', name: 'one', host: 'h', pid: 5 },
      startedAt: '2027-06-01T12:00:01.000000Z',
      finishedAt: '2027-06-01T12:00:02.000000Z',
      outcome: 'failed',
      error: { name: 'Error', message: 'no', fingerprint: 'f' },
    },
  ],
}

test('shows exactly the members of the contract, absent ones not at all', () => {
  expect(Object.keys(JobView.parse(JSON.parse(jobJson(JOB))))).toEqual([
    'id',
    'type',
    'queue',
    'state',
    'payload',
    'priority',
    'run_at',
    'created_at',
    'attempt',
    'max_attempts',
    'lost',
    'tags',
  ])
})

test('shows everything of a job that has everything', () => {
  const view = JobView.parse(JSON.parse(jobJson(FULL)))
  expect(Object.keys(view).toSorted()).toEqual(
    Object.keys(JobView.shape)
      .filter((name) => !name.endsWith('_truncated'))
      .toSorted(),
  )
  expect(view).toMatchObject({
    timeout: '1500ms',
    keep_for: '1d',
    backoff: { kind: 'fixed', base: '1s', cap: '1m', jitter: 0.2 },
    worker: { id: 'w', name: 'one' },
    attempts: [
      { attempt: 1, token: 7, worker: { id: 'w', name: 'one' }, started_at: FULL.startedAt, outcome: 'failed' },
    ],
  })
})

test('keeps every digit of payload and result', () => {
  expect(jobJson(FULL)).toContain(`"payload":${JOB.payloadJson},`)
  expect(jobJson(FULL)).toContain('"result":12345678901234567890.5,')
  expect(jobJson(FULL, 'list')).toContain(`"payload":${JOB.payloadJson},`)
})

test('cuts a value of a list over 4 KiB at a whole character and says so', () => {
  const atLimit = JSON.stringify('x'.repeat(LIST_VALUE_BYTES - 2))
  expect(JSON.parse(jobJson({ ...JOB, payloadJson: atLimit }, 'list'))).not.toHaveProperty('payload_truncated')

  const long = JSON.stringify('🦁'.repeat(3_000))
  const view = JobView.parse(JSON.parse(jobJson({ ...JOB, payloadJson: long, resultJson: long }, 'list')))
  expect(view).toMatchObject({ payload_truncated: true, result_truncated: true })
  expect(view.payload).toBe(`"${'🦁'.repeat(1_023)}`)
  expect(JSON.parse(jobJson({ ...JOB, payloadJson: long }))).toMatchObject({ payload: '🦁'.repeat(3_000) })
})

test('shows what a job came to with its digits', () => {
  expect(resultJson({ state: 'completed', resultJson: '9007199254740993' })).toBe(
    '{"state":"completed","result":9007199254740993}',
  )
  expect(resultJson({ state: 'completed' })).toBe('{"state":"completed"}')
  expect(JSON.parse(resultJson({ state: 'dead', reason: 'lost', error: FULL.error! }))).toEqual({
    state: 'dead',
    reason: 'lost',
    error: FULL.error,
  })
})
