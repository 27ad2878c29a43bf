import { styleText } from 'node:util'
import { printable, printableLine } from './job/printable.ts'

const LEVEL_STYLE = { trace: 'gray', debug: 'gray', info: 'green', warn: 'yellow', error: 'red', fatal: 'red' } as const
type Style = Parameters<typeof styleText>[0]

// Shown in the line itself, in this order; what else an event carries follows as name=value.
const LEADING = ['job_type', 'job_id', 'queue', 'attempt', 'state', 'outcome', 'duration_ms', 'worker']
const HIDDEN = new Set(['level', 'time', 'pid', 'msg', 'err', 'error', ...LEADING])

/** One event of the log for people: time, level, message, the fields that matter, an error below it. Safe on a terminal. */
export function prettyLine(line: string, { color }: { color: boolean }): string {
  const event = parse(line)
  if (!event) return `${printableLine(line.trimEnd())}\n`
  const paint = (style: Style, text: string): string =>
    color ? styleText(style, text, { validateStream: false }) : text
  const level = String(event.level) as keyof typeof LEVEL_STYLE
  const parts = [
    paint('gray', clock(event.time)),
    paint(LEVEL_STYLE[level] ?? 'white', level.toUpperCase().padEnd(5)),
    printableLine(String(event.msg ?? '')),
    ...LEADING.flatMap((name) => (event[name] === undefined ? [] : [leading(name, event[name], paint)])),
    ...Object.entries(event).flatMap(([name, value]) =>
      HIDDEN.has(name) ? [] : [paint('gray', `${name}=${short(value)}`)],
    ),
  ]
  return `${parts.join(' ')}\n${errorBelow(event.err ?? event.error, paint)}`
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

const clock = (time: unknown): string => {
  const date = new Date(String(time))
  if (Number.isNaN(date.getTime())) return '--:--:--'
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':')
}

const STATE_STYLE: Record<string, Style> = {
  completed: 'green',
  retrying: 'yellow',
  failed: 'yellow',
  snoozed: 'cyan',
  dead: 'red',
  cancelled: 'magenta',
  lost: 'red',
}

function leading(name: string, value: unknown, paint: (style: Style, text: string) => string): string {
  const text = short(value)
  if (name === 'job_type') return paint('bold', text)
  if (name === 'duration_ms') return `in ${milliseconds(value)}`
  if (name === 'attempt') return `attempt ${text}`
  if (name === 'state' || name === 'outcome') return paint(STATE_STYLE[text] ?? 'cyan', text)
  return paint('gray', name === 'job_id' ? text : `${name} ${text}`)
}

function milliseconds(value: unknown): string {
  if (typeof value !== 'number') return short(value)
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`
}

const short = (value: unknown): string => {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
  return printableLine(text.length > 200 ? `${text.slice(0, 200)}…` : text)
}

const STACK_LINES = 6

function errorBelow(error: unknown, paint: (style: Style, text: string) => string): string {
  if (error === undefined || error === null) return ''
  if (typeof error !== 'object') return `         ${paint('red', short(error))}\n`
  const { name, type, message, stack } = error as Record<string, unknown>
  const text = typeof stack === 'string' ? stack : `${String(name ?? type ?? 'Error')}: ${String(message ?? '')}`
  const [head = '', ...rest] = printable(text).split('\n').slice(0, STACK_LINES)
  return [paint('red', head), ...rest.map((row) => paint('gray', row))].map((row) => `         ${row}\n`).join('')
}
