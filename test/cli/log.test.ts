import { expect, test } from 'vitest'
import { createLog, type LogOptions } from '../../src/log.ts'

const NASTY = 'a\u001b]0;x\u0007b\u009b2Jc\rFAKE\nLOG\u2028d\u202ee\u007f'
const RAW = /[\0-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/

function logged(options: Partial<LogOptions>, write: (log: ReturnType<typeof createLog>) => void): string {
  let text = ''
  const stream = { write: (line: string) => (text += line) }
  write(createLog({ level: 'info', format: 'json', stream, ...options }))
  return text
}

test('writes one JSON object a line whatever text a job contains, and the text reads back exactly', () => {
  const text = logged({}, (log) => {
    log.info({ job_id: '1', job_type: NASTY, err: new Error(NASTY) }, NASTY)
    log.child({ queue: NASTY }).warn('second')
  })
  const lines = text.trimEnd().split(/[\n\r\u2028\u2029\u0085]/)
  expect(lines).toHaveLength(2)
  expect(text).not.toMatch(RAW)
  expect(JSON.parse(lines[0]!)).toMatchObject({
    level: 'info',
    job_id: '1',
    job_type: NASTY,
    msg: NASTY,
    err: { message: NASTY },
  })
  expect(JSON.parse(lines[1]!)).toMatchObject({ level: 'warn', queue: NASTY })
})

test('writes lines that are safe on a terminal', () => {
  const text = logged({ format: 'pretty' }, (log) =>
    log.error({ job_type: NASTY, extra: NASTY, err: new Error(NASTY) }, NASTY),
  )
  expect(text).toContain('\\x1b]0;x')
  expect(text).not.toMatch(RAW)
})

test('shows time, level, message and the fields of a job in one line', () => {
  const text = logged({ format: 'pretty' }, (log) =>
    log.info(
      {
        job_id: 'id-1',
        job_type: 'send_email',
        attempt: 2,
        ran_ms: 1234,
        queue: 'emails',
        state: 'completed',
        size: 3,
      },
      'job completed',
    ),
  )
  expect(text).toMatch(
    /^\d\d:\d\d:\d\d INFO {2}job completed send_email id-1 queue emails attempt 2 in 1.2 s size=3\n$/,
  )
})

test('auto is pretty on a terminal and JSON elsewhere; colours only where they are allowed', () => {
  let text = ''
  const stream = { isTTY: true, write: (line: string) => (text += line) }
  createLog({ level: 'info', format: 'auto', stream, color: true }).info('hello')
  expect(text).toContain('\u001b[32m')
  expect(logged({ format: 'auto' }, (log) => log.info('hello'))).toMatch(/^\{/)
})

test('masks passwords in fields, in URLs and wherever the known one stands', () => {
  const password = 'p@s"s/w#rd'
  const text = logged({ secrets: [password, encodeURIComponent(password)] }, (log) => {
    log.info({ password: 'one', nested: { databaseUrl: 'two' } }, 'fields')
    log.info('cannot reach postgres://bob:three@h/app')
    log.error({ err: new Error(`wrong: ${password} or ${encodeURIComponent(password)}`) }, 'known')
  })
  for (const secret of ['one', 'two', 'three', 'w#rd', encodeURIComponent(password)]) expect(text).not.toContain(secret)
  expect(text).toContain('postgres://bob:***@h/app')
  for (const line of text.trimEnd().split('\n')) JSON.parse(line)
})

test('keeps to its level', () => {
  expect(logged({ level: 'warn' }, (log) => log.info('quiet'))).toBe('')
  expect(logged({ level: 'silent' }, (log) => log.fatal('quiet'))).toBe('')
})
