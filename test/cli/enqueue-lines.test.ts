import { expect, test } from 'vitest'
import { cli } from './cli.ts'

const NDJSON = ['enqueue', '--ndjson']

test('takes NDJSON as tools write it: byte order mark, CRLF, blank lines, no last line feed', async () => {
  const stdin = '\uFEFF{"type":"a"}\r\n\r\n{"type":"b","payload":1.10}\r\n\n{"type":"c"}'
  const { code, stdout, app } = await cli(NDJSON, { stdin })
  expect(code).toBe(0)
  expect([...app.stored.values()].map(({ type }) => type)).toEqual(['a', 'b', 'c'])
  expect([...app.stored.values()][1]!.payloadJson).toBe('1.10')
  expect(
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split('\t')[0]),
  ).toEqual([...app.stored.keys()])
})

test('names the physical line of a broken one and stores nothing', async () => {
  const { code, stderr, app } = await cli(NDJSON, { stdin: '{"type":"a"}\r\n\r\n\r\n{"type":"b"}\r\n{"type":\r\n' })
  expect(code).toBe(2)
  expect(stderr).toContain('line 5')
  expect(stderr).toContain('nothing was enqueued')
  expect(app.stored.size).toBe(0)
})

test('names every wrong field with its line', async () => {
  const { code, stderr } = await cli(NDJSON, {
    stdin: '{"type":"a","priority":"x"}\n{"type":"b","pirority":1}\n{"type":"c","unique":{}}',
  })
  expect(code).toBe(2)
  expect(stderr).toContain('line 1, priority')
  expect(stderr).toContain('line 2, pirority: unknown field; did you mean "priority"?')
  expect(stderr).toContain('line 3, unique: is not supported by this release')
})

test('flags are the defaults of the lines, whose own text stays', async () => {
  const stdin = '{"payload":12345678901234567890}\n{}\n{"type":"own","queue":"mine"}'
  const { code, app } = await cli([...NDJSON, '--type', 't', '--queue', 'q'], { stdin })
  expect(code).toBe(0)
  expect([...app.stored.values()].map(({ type, queue, payloadJson }) => [type, queue, payloadJson])).toEqual([
    ['t', 'q', '12345678901234567890'],
    ['t', 'q', '{}'],
    ['own', 'mine', '{}'],
  ])
})

test('sends thousands of jobs in calls of a thousand and prints their ids in order', async () => {
  const stdin = Array.from({ length: 2_500 }, (_, index) => `{"type":"t","payload":${index}}\n`)
  const { code, stdout, app } = await cli([...NDJSON, '--json'], { stdin })
  expect(code).toBe(0)
  expect(app.calls.filter((call) => call.startsWith('enqueueMany'))).toEqual([
    'enqueueMany 1000',
    'enqueueMany 1000',
    'enqueueMany 500',
  ])
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { id: string; created: boolean })
  expect(lines.map(({ id }) => id)).toEqual([...app.stored.keys()])
})

test('refuses a line without an end while it reads, without keeping it', async () => {
  let read = 0
  const block = Buffer.alloc(65_536, 'x')
  const stdin = Array.from({ length: 800 }, () => block)
  const counted = new Proxy(stdin, {
    get: (target, name) => {
      if (typeof name === 'string' && /^\d+$/.test(name)) read += 1
      return Reflect.get(target, name) as unknown
    },
  })
  const { code, stderr } = await cli(NDJSON, { stdin: counted })
  expect(code).toBe(2)
  expect(stderr).toContain('payload_too_large')
  expect(read).toBeLessThan(150)
})

test('refuses an empty input, flags that name one job, and a payload beside it', async () => {
  for (const [args, text] of [
    [[], 'holds no job'],
    [['--idempotency-key', 'k'], '--idempotency-key'],
    [['--payload', '{}'], 'exclude'],
    [['--wait'], 'exclude'],
  ] as const) {
    const { code, stderr } = await cli([...NDJSON, ...args])
    expect(code).toBe(2)
    expect(stderr).toContain(text)
  }
})
