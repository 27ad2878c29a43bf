import { parseDatabaseUrl } from '../database-url.ts'
import { formatDuration, parseDuration } from '../job/duration.ts'
import { isQueueName, QUEUE_HELP } from '../job/name.ts'
import { nearest } from '../job/nearest.ts'
import { hasLoneSurrogate } from '../job/text.ts'
import type { Kind } from './settings.ts'

export type Checked = { value: unknown; problem?: never } | { value?: undefined; problem: string }

/** One given value in the form that `Config` keeps, or a sentence that says what is wrong with it. */
export function check(kind: Kind, raw: unknown): Checked {
  switch (kind.is) {
    case 'text':
      if (typeof raw !== 'string' || raw.trim() === '') return { problem: 'must be text that is not empty' }
      return raw.length <= MAX_TEXT && isPrintable(raw)
        ? { value: raw }
        : { problem: `must be at most ${MAX_TEXT} characters, no control characters among them` }
    case 'databaseUrl': {
      const { problem } = typeof raw === 'string' ? parseDatabaseUrl(raw) : { problem: 'must be text' }
      return problem === undefined ? { value: raw } : { problem }
    }
    case 'switch':
      return checkSwitch(raw)
    case 'queues':
      return checkQueues(raw)
    case 'choice':
      return checkChoice(kind.of, raw)
    case 'duration': {
      const ms = parseDuration(raw)
      if (ms === undefined)
        return { problem: `${quoted(raw)} is not a duration: write 500ms, 30s, 5m, 2h, 1d or PT30S` }
      return within(ms, kind, formatDuration)
    }
    case 'size': {
      const bytes = bytesOf(raw)
      return bytes === undefined
        ? { problem: `${quoted(raw)} is not a size: write 1048576, 512KiB or 1MiB` }
        : within(bytes, kind, String)
    }
    case 'whole': {
      const number = wholeOf(raw)
      return number === undefined ? { problem: `${quoted(raw)} is not a whole number` } : within(number, kind, String)
    }
  }
}

const MAX_TEXT = 4_096

/** Neither a path nor a name holds what no log line and no text column can. */
const isPrintable = (text: string): boolean => !/[\0-\x1f\x7f-\x9f]/.test(text) && !hasLoneSurrogate(text)

function within(value: number, { min, max }: { min: number; max: number }, show: (value: number) => string): Checked {
  return value >= min && value <= max ? { value } : { problem: `must be from ${show(min)} to ${show(max)}` }
}

function wholeOf(raw: unknown): number | undefined {
  if (typeof raw === 'string' && /^\d{1,15}$/.test(raw)) return Number(raw)
  return typeof raw === 'number' && Number.isSafeInteger(raw) ? raw : undefined
}

const UNIT_BYTES: Record<string, number> = { '': 1, B: 1, KB: 1_000, MB: 1_000_000, KIB: 1_024, MIB: 1_048_576 }

function bytesOf(raw: unknown): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,12}) ?([A-Za-z]*)$/.exec(String(raw)) ?? []
  const factor = UNIT_BYTES[unit.toUpperCase()]
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor
}

function checkSwitch(raw: unknown): Checked {
  const word = String(raw).toLowerCase()
  if (['true', '1', 'yes', 'on'].includes(word)) return { value: true }
  if (['false', '0', 'no', 'off'].includes(word)) return { value: false }
  return { problem: `${quoted(raw)} is neither true nor false` }
}

function checkChoice(of: readonly string[], raw: unknown): Checked {
  if (typeof raw === 'string' && of.includes(raw)) return { value: raw }
  const meant = typeof raw === 'string' ? nearest(raw, of) : undefined
  return {
    problem: `${quoted(raw)} is not one of ${of.join(', ')}${meant === undefined ? '' : `; did you mean ${meant}?`}`,
  }
}

function checkQueues(raw: unknown): Checked {
  const entries = queueEntries(raw)
  if (!entries || entries.length === 0) return { problem: 'must be a list of queues such as emails=5,reports' }
  const queues: Record<string, number | null> = {}
  for (const [name, slots] of entries) {
    if (!isQueueName(name)) return { problem: `${quoted(name)}: ${QUEUE_HELP}` }
    const number = slots === null ? null : wholeOf(slots)
    if (number === undefined || number === 0) return { problem: `${name}: ${quoted(slots)} is not a number of slots` }
    if (Object.hasOwn(queues, name)) return { problem: `${name} is named twice` }
    queues[name] = number
  }
  return { value: Object.freeze(queues) }
}

function queueEntries(raw: unknown): [string, unknown][] | undefined {
  if (typeof raw === 'object' && raw !== null && !Array.isArray(raw)) return Object.entries(raw)
  const items = typeof raw === 'string' ? raw.split(',') : raw
  if (!Array.isArray(items)) return undefined
  return items.map((item) => {
    const [name = '', ...slots] = String(item).trim().split('=')
    return [name, slots.length ? slots.join('=') : null]
  })
}

const quoted = (raw: unknown): string => {
  const text = typeof raw === 'string' ? raw : (JSON.stringify(raw) ?? String(raw))
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}
