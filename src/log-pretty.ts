import { styleText } from 'node:util'
import { printable, printableLine } from './job/printable.ts'

const LEVEL_STYLE = { trace: 'gray', debug: 'gray', info: 'green', warn: 'yellow', error: 'red', fatal: 'red' } as const
type Style = Parameters<typeof styleText>[0]

// Shown in the line itself, in this order; what else an event carries follows as name=value.
const LEADING = ['job_type', 'job_id', 'queue', 'attempt', 'state', 'ran_ms', 'worker']
const HIDDEN = new Set(['level', 'time', 'pid', 'msg', 'err', 'error', 'token', ...LEADING])

/** One event of the log for people: time, level, message, the fields that matter, an error below it. Safe on a terminal. */
export function prettyLine(line: string, { color }: { color: boolean }): string {
  const event = parse(line)
  if (!event) return `${printableLine(line.trimEnd())}\n`
  const paint = (style: Style, text: string): string =>
    color ? styleText(style, text, { validateStream: false }) : text
  const level = String(event.level) as keyof typeof LEVEL_STYLE
  const message = printableLine(asText(event.msg))
  const state = STATE_STYLE[asText(event.state)]
  const parts = [
    paint('gray', clock(event.time)),
    paint(LEVEL_STYLE[level] ?? 'white', level.toUpperCase().padEnd(5)),
    state ? paint(state, message) : message,
    ...LEADING.filter((name) => !isSaid(name, event)).map((name) => leading(name, event[name], paint)),
    ...Object.entries(event).flatMap(([name, value]) =>
      HIDDEN.has(name) ? [] : [paint('gray', `${name}=${short(value)}`)],
    ),
  ]
  return `${parts.join(' ')}\n${errorBelow(event.err ?? event.error, paint)}`
}

/** What the line says without it: the default queue, a state that its message names. */
function isSaid(name: string, event: Record<string, unknown>): boolean {
  if (event[name] === undefined) return true
  if (name === 'queue') return event.queue === 'default'
  return name === 'state' && asText(event.msg).includes(asText(event.state))
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
  scheduled: 'cyan',
  dead: 'red',
  cancelled: 'magenta',
}

function leading(name: string, value: unknown, paint: (style: Style, text: string) => string): string {
  const text = short(value)
  if (name === 'job_type') return paint('bold', text)
  if (name === 'ran_ms') return `in ${milliseconds(value)}`
  if (name === 'attempt') return `attempt ${text}`
  if (name === 'state') return paint(STATE_STYLE[text] ?? 'cyan', text)
  return paint('gray', name === 'job_id' ? text : `${name} ${text}`)
}

function milliseconds(value: unknown): string {
  if (typeof value !== 'number') return short(value)
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`
}

const asText = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))

const short = (value: unknown): string => {
  const text = asText(value)
  return printableLine(text.length > 200 ? `${text.slice(0, 200)}…` : text)
}

const STACK_LINES = 6

function errorBelow(error: unknown, paint: (style: Style, text: string) => string): string {
  if (error === undefined || error === null) return ''
  if (typeof error !== 'object') return `         ${paint('red', short(error))}\n`
  const { name, type, message, stack } = error as Record<string, unknown>
  const text = typeof stack === 'string' ? stack : `${asText(name ?? type ?? 'Error')}: ${asText(message)}`
  const [head = '', ...rest] = printable(text).split('\n').slice(0, STACK_LINES)
  return [paint('red', head), ...rest.map((row) => paint('gray', row))].map((row) => `         ${row}\n`).join('')
}
