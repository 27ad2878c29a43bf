import fc from 'fast-check'
import { expect, test } from 'vitest'
import { elementSpans, memberSpans, type Span } from '../../src/job/json.ts'

const cut = (text: string, span: Span | undefined) => (span ? text.slice(span.start, span.end) : undefined)

test('cuts a payload out as it came, digit for digit', () => {
  const text = '\n{ "type" : "t" , "payload" : {"id":9007199254740993, "x": 0.10 } ,"priority":1e1}\n'
  const { members, duplicates } = memberSpans(text)!
  expect(cut(text, members.get('payload'))).toBe('{"id":9007199254740993, "x": 0.10 }')
  expect(cut(text, members.get('type'))).toBe('"t"')
  expect(cut(text, members.get('priority'))).toBe('1e1')
  expect([...members.keys()]).toEqual(['type', 'payload', 'priority'])
  expect(duplicates).toEqual([])
})

test('goes into a list of objects by its elements', () => {
  const text = '{"jobs":[ {"payload":[1,"]"]} , {"payload":null}, 3 ]}'
  const jobs = memberSpans(text)!.members.get('jobs')!
  const elements = elementSpans(text, jobs.start)!
  expect(elements.map((span) => cut(text, span))).toEqual(['{"payload":[1,"]"]}', '{"payload":null}', '3'])
  expect(cut(text, memberSpans(text, elements[0]!.start)!.members.get('payload'))).toBe('[1,"]"]')
  expect(memberSpans(text, elements[2]!.start)).toBeUndefined()
})

test('keys are decoded, brackets and quotes inside strings are text', () => {
  const text = String.raw`{"\u0070ayload":"}]\"{[,:","a\\":"\\","__proto__":1}`
  const { members } = memberSpans(text)!
  expect(cut(text, members.get('payload'))).toBe(String.raw`"}]\"{[,:"`)
  expect(cut(text, members.get('a\\'))).toBe(String.raw`"\\"`)
  expect(cut(text, members.get('__proto__'))).toBe('1')
})

test('a key that stands twice is reported once, however it is written', () => {
  const found = memberSpans(String.raw`{"a":1,"b":2,"\u0061":3,"a":4}`)!
  expect(found.duplicates).toEqual(['a'])
  expect(found.members.size).toBe(2)
})

test.each([
  '',
  ' ',
  '1',
  '"a"',
  'null',
  '[',
  '{',
  '{"a"',
  '{"a"}',
  '{"a":',
  '{"a":}',
  '{"a":1',
  '{"a":1,',
  '{"a":1,}',
  '{,}',
  '{a:1}',
  '{"a":"',
  '{"a":[}',
  '{"a":{"b":1}',
  '{"a":1}}',
  '{"a":1} x',
  '{"a" "b"}',
  '{"a":1 "b":2}',
  '{"\\x":1}',
  '{"a\\":1}',
  '[1',
  '[1,',
  '[1,]',
  '[1 2]',
  '[1]]',
  '["]',
  '[[]',
])('finds neither members nor elements in %o', (text) => {
  expect(memberSpans(text)).toBeUndefined()
  expect(elementSpans(text)).toBeUndefined()
})

test('an empty object and an empty array have no parts', () => {
  expect(memberSpans(' { } ')).toEqual({ members: new Map(), duplicates: [] })
  expect(elementSpans(' [ ] ')).toEqual([])
  expect(memberSpans('[]')).toBeUndefined()
  expect(elementSpans('{}')).toBeUndefined()
})

test('every part of any JSON value is found as it stands', () => {
  const values = fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' })
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.string({ unit: 'binary' }), values)),
      fc.constantFrom('', ' ', '\n', '\t \r\n'),
      (entries, space) => {
        const parts = new Map(entries.map(([key, value]) => [key, JSON.stringify(value, null, 1)]))
        const object = `{${space}${[...parts].map(([key, part]) => JSON.stringify(key) + space + ':' + space + part).join(`${space},`)}}`
        const members = memberSpans(object)!.members
        expect(new Map([...members].map(([key, span]) => [key, cut(object, span)]))).toEqual(parts)
        const array = `${space}[${[...parts.values()].join(`${space},${space}`)}${space}]`
        expect(elementSpans(array)!.map((span) => cut(array, span))).toEqual([...parts.values()])
      },
    ),
  )
})

test('a hundred thousand brackets, quotes and backslashes take linear time', () => {
  const started = performance.now()
  const nested = `{"a":${'['.repeat(1e5)}${']'.repeat(1e5)}}`
  expect(memberSpans(nested)!.members.get('a')).toEqual({ start: 5, end: nested.length - 1 })
  expect(memberSpans(`{"a":"${'\\\\'.repeat(1e5)}"}`)!.members.size).toBe(1)
  expect(memberSpans(`{"a":${'"'.repeat(1e5)}}`)).toBeUndefined()
  expect(performance.now() - started).toBeLessThan(2_000)
})
