import { expect, test } from 'vitest'
import { toJobError } from '../../src/job/job-error.ts'
import { createLog } from '../../src/log.ts'
import { JS_VALUES } from './js-values.ts'
import { THROWN_VALUES } from './thrown-values.ts'
import { HALVES, WORDS } from './words.ts'

/** What a value would hold up for long is a matter of the handler that logs it, not of the log. */
const HUGE = /50 MB|gigabyte|million|longest|without end|100,000/

const VALUES = [...JS_VALUES, ...THROWN_VALUES].filter(({ name }) => !HUGE.test(name))
/** Anything that moves a cursor, ends a line or turns the text around. */
const UNSAFE = /[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/

function logged(format: 'json' | 'pretty', write: (log: ReturnType<typeof createLog>) => void): string[] {
  const texts: string[] = []
  const log = createLog({ level: 'info', format, stream: { write: (text) => texts.push(text) } })
  const child = log.child({ job_id: 'j', job_type: 't', attempt: 1 })
  write(child)
  child.info('after')
  const lines = texts.join('').split('\n')
  expect(lines.pop()).toBe('')
  expect(lines.at(-1)).toMatch(/after/)
  return lines.slice(0, -1)
}

const WAYS: [string, (log: ReturnType<typeof createLog>, value: unknown) => void][] = [
  ['a field', (log, value) => log.info({ value }, 'said')],
  ['the error', (log, value) => log.error({ err: value }, 'said')],
  ['an error of another name', (log, value) => log.warn({ error: value }, 'said')],
  ['all there is', (log, value) => log.info(value as object)],
  ['an argument of the message', (log, value) => log.info('said %s %d %j', ...([value, value, value] as never[]))],
  ['a password', (log, value) => log.info({ password: value, deep: { secret: value } }, 'said')],
]

test.each(WAYS)('any value as %s of a line never throws and makes one line that can be read', (_way, write) => {
  const broken: string[] = []
  for (const { name, make } of VALUES) {
    try {
      const lines = logged('json', (log) => write(log, make()))
      expect(lines).toHaveLength(1)
      expect(JSON.parse(lines[0]!)).toMatchObject({ job_id: 'j' })
      expect(lines[0]).not.toMatch(UNSAFE)
    } catch (error) {
      broken.push(`${name}: ${toJobError(error).message.slice(0, 150)}`)
    }
  }
  expect(broken).toEqual([])
})

test('any text is one line, safe on a terminal, and reads back as it was', () => {
  for (const [, text] of WORDS) {
    const [line] = logged('json', (log) => log.info({ text, [text]: 1 }, text))
    expect(line).not.toMatch(UNSAFE)
    expect(JSON.parse(line!)).toMatchObject({ text, msg: text })
  }
  for (const [, text] of HALVES) expect(() => JSON.parse(logged('json', (log) => log.info(text))[0]!)).not.toThrow()
})
