import { expect, test } from 'vitest'
import { parseJobFilter } from '../../src/wire/job-filter.ts'

const parse = (query: string) => parseJobFilter([...new URLSearchParams(query)])

test('reads every parameter', () => {
  expect(
    parse(
      'state=dead,retrying&state=pending&queue=q&type=a/b&tag=t&key=k&worker=w&error=boom&created_after=2027-06-01T12:00:00Z' +
        '&created_before=2027-06-01T14:00:00%2B01:00&finished_after=2027-01-01T00:00:00Z&payload.a.b=5&payload.c=&q=x%25y&limit=7&cursor=abc-_.',
    ).filter,
  ).toEqual({
    states: ['dead', 'retrying', 'pending'],
    queue: 'q',
    type: 'a/b',
    tag: 't',
    key: 'k',
    worker: 'w',
    error: 'boom',
    createdAfter: '2027-06-01T12:00:00.000000Z',
    createdBefore: '2027-06-01T13:00:00.000000Z',
    finishedAfter: '2027-01-01T00:00:00.000000Z',
    payload: [
      { path: ['a', 'b'], value: '5' },
      { path: ['c'], value: '' },
    ],
    q: 'x%y',
    limit: 7,
    cursor: 'abc-_.',
  })
})

test('has a limit when none is given', () => {
  expect(parse('')).toEqual({ filter: { limit: 100 } })
})

test.each([
  'state=done',
  'state=',
  'state=dead,',
  'queue=a/b',
  'queue=',
  'type=%00',
  'tag=',
  'tag=a%00',
  'key=',
  'worker=',
  'worker=%00',
  'error=',
  'q=',
  'q=%00',
  `q=${'x'.repeat(501)}`,
  'created_after=yesterday',
  'created_before=2027-06-01',
  'finished_after=1',
  'limit=0',
  'limit=1001',
  'limit=-1',
  'limit=1.5',
  'limit=1e2',
  'limit=',
  'cursor=',
  'cursor=a%00b',
  'cursor=%22',
  'payload.=1',
  'payload.a..b=1',
  'payload.a=%00',
  'payload.%00=1',
  'queue=a&queue=b',
  'payload.a=1&payload.a=2',
  '__proto__=1',
  'constructor=1',
  'group=g',
  'batch=b',
])('refuses %s with its name', (query) => {
  const { problems } = parse(query)
  expect(problems).toHaveLength(1)
  expect(problems?.[0]?.path).toBe([...new URLSearchParams(query)][0]?.[0])
})

test('names the known parameter that was meant, and every problem at once', () => {
  expect(parse('stat=dead&limt=5&payload=5&group=g').problems).toEqual([
    { path: 'stat', message: 'unknown parameter; did you mean "state"?' },
    { path: 'limt', message: 'unknown parameter; did you mean "limit"?' },
    { path: 'payload', message: 'unknown parameter; did you mean "payload.<path>"?' },
    { path: 'group', message: 'is not supported by this release' },
  ])
})
