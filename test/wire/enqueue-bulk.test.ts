import { expect, test } from 'vitest'
import { createBulkCollector, MAX_BULK_JOBS, parseBulk } from '../../src/wire/enqueue-bulk.ts'

const LIMITS = { maxPayloadBytes: 1_000 }
const parse = (body: unknown) => parseBulk(typeof body === 'string' ? body : JSON.stringify(body), LIMITS)

test('keeps the jobs in the order sent and each payload’s digits', () => {
  const { jobs } = parse('{"jobs": [ {"type":"a","payload":9007199254740993} , {"type":"b"} ]}')
  expect(jobs?.map(({ type, payloadJson }) => [type, payloadJson])).toEqual([
    ['a', '9007199254740993'],
    ['b', '{}'],
  ])
})

test('takes no jobs for no jobs', () => {
  expect(parse({ jobs: [] })).toEqual({ jobs: [] })
})

test('names the place of every problem', () => {
  const parsed = parse('{"jobs":[{"type":"a"},{"type":"","queue":"x/y"},5,{"type":"t","payload":{"a":"\\u0000"}}]}')
  expect(parsed.code).toBe('invalid_job')
  expect(parsed.problems?.map(({ path }) => path)).toEqual([
    'jobs[1].type',
    'jobs[1].queue',
    'jobs[2]',
    'jobs[3].payload.a',
  ])
})

test.each([
  ['{"jobs":[{"type":"a"},{"type":b}]}', 'invalid_json'],
  ['{"jobs":[{"type":"a"}', 'invalid_json'],
  ['{"jobs":[{"type":"a"},]}', 'invalid_json'],
  ['', 'invalid_json'],
  ['[]', 'invalid_job'],
  ['{}', 'invalid_job'],
  ['{"jobs":{}}', 'invalid_job'],
  ['{"jobs":null}', 'invalid_job'],
  ['{"jobs":[],"job":[]}', 'invalid_job'],
  ['{"jobs":[{"type":"a","group":"g"}]}', 'unsupported'],
])('refuses %s as %s', (body, code) => {
  const parsed = parse(body)
  expect(parsed.code).toBe(code)
  expect(parsed.problems).not.toHaveLength(0)
})

test('names the known member that was meant', () => {
  expect(parse('{"job":[]}').problems).toEqual([{ path: 'job', message: 'unknown field; did you mean "jobs"?' }])
})

test('refuses jobs that stand twice, since one of the two would be lost', () => {
  expect(parse('{"jobs":[{"type":"t"}],"\\u006aobs":[]}')).toEqual({
    code: 'invalid_job',
    problems: [{ path: 'jobs', message: 'stands twice' }],
  })
})

test('takes no more than its limit of jobs', () => {
  const full = Array.from({ length: MAX_BULK_JOBS }, () => ({ type: 't' }))
  expect(parse({ jobs: full }).jobs).toHaveLength(MAX_BULK_JOBS)
  expect(parse({ jobs: [...full, { type: 't' }] })).toMatchObject({
    code: 'payload_too_large',
    problems: [{ path: `jobs[${MAX_BULK_JOBS}]` }],
  })
})

test('stops reading when every job is wrong', () => {
  const collector = createBulkCollector(LIMITS)
  let read = 0
  while (read < 10_000 && collector.add('{}', `line ${read + 1}`)) read++
  expect(read).toBe(99)
  expect(collector.finish().problems?.[0]).toEqual({ path: 'line 1.type', message: 'is required' })
})
