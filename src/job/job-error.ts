import { fingerprintOf } from './fingerprint.ts'
import type { JobError } from './job.ts'
import { readSafely, textSafely } from './read-safely.ts'
import { cutText, storableText } from './text.ts'
import { toJson } from './value-json.ts'

export const MAX_MESSAGE_BYTES = 8 * 1024
export const MAX_STACK_BYTES = 16 * 1024

const MAX_NAME_BYTES = 256
const MAX_CODE_BYTES = 128
const MAX_MESSAGE_IN_STACK_BYTES = 1024
const MAX_CAUSES = 8
const MAX_AGGREGATED = 5

/**
 * The error that a run ends with, from whatever was thrown: texts that PostgreSQL can hold, cut to their limits at a
 * whole character and marked `truncated`. Causes and the parts of an AggregateError follow in the stack. Never throws.
 */
export function toJobError(thrown: unknown): JobError {
  const name = storableText(nameOf(thrown), MAX_NAME_BYTES)
  const message = storableText(messageOf(thrown), MAX_MESSAGE_BYTES)
  const stack = storableText(stackOf(thrown), MAX_STACK_BYTES)
  const code = codeOf(thrown)
  return {
    name: name.text,
    message: message.text,
    ...(stack.text !== '' && { stack: stack.text }),
    ...(code !== undefined && { code }),
    fingerprint: fingerprintOf(name.text, message.text),
    ...((name.cut || message.cut || stack.cut || wasCut(thrown)) && { truncated: true }),
  }
}

/** Of a program's words only the end is kept, before an error is made of them. */
const wasCut = (thrown: unknown): boolean => isObject(thrown) && readSafely(thrown, 'truncated') === true

function nameOf(thrown: unknown): string {
  const name = isObject(thrown) ? readSafely(thrown, 'name') : undefined
  return typeof name === 'string' && name !== '' ? name : 'Error'
}

function messageOf(thrown: unknown): string {
  if (typeof thrown === 'string') return thrown
  if (!isObject(thrown)) return `not an Error was thrown: ${textSafely(thrown)}`
  const message = readSafely(thrown, 'message')
  if (typeof message === 'string') return message
  if (message !== undefined && message !== null) return textSafely(message)
  return `not an Error was thrown: ${toJson(thrown, { maxBytes: MAX_MESSAGE_BYTES }).json}`
}

function codeOf(thrown: unknown): string | undefined {
  const code = isObject(thrown) ? readSafely(thrown, 'code') : undefined
  if (typeof code !== 'string' && typeof code !== 'number') return undefined
  return storableText(String(code), MAX_CODE_BYTES).text
}

/** The stack of what was thrown, then of its parts and of its causes, until there is more than can be kept. */
function stackOf(thrown: unknown): string {
  let text = ownStackOf(thrown)
  const parts = readSafely(thrown, 'errors')
  for (let index = 0; index < MAX_AGGREGATED && text.length <= MAX_STACK_BYTES; index++) {
    const part = readSafely(parts, index)
    if (part !== undefined) text += `\nOne of the errors: ${describe(part)}`
  }
  const seen = new Set([thrown])
  let cause = readSafely(thrown, 'cause')
  while (cause !== undefined && cause !== null && !seen.has(cause) && seen.size <= MAX_CAUSES) {
    if (text.length > MAX_STACK_BYTES) break
    text += `\nCaused by: ${describe(cause)}`
    seen.add(cause)
    cause = readSafely(cause, 'cause')
  }
  return text.replace(/^\n/, '')
}

const describe = (error: unknown): string =>
  ownStackOf(error) || `${nameOf(error)}: ${cutText(messageOf(error), MAX_MESSAGE_IN_STACK_BYTES).text}`

function ownStackOf(error: unknown): string {
  const stack = isObject(error) ? readSafely(error, 'stack') : undefined
  if (typeof stack !== 'string') return ''
  // V8 puts the message at the head of the stack, where a long one would leave no room for the frames.
  const message = messageOf(error)
  const short = cutText(message, MAX_MESSAGE_IN_STACK_BYTES)
  const at = short.cut ? stack.slice(0, MAX_NAME_BYTES + message.length).indexOf(message) : -1
  return at === -1 ? stack : `${stack.slice(0, at)}${short.text}…${stack.slice(at + message.length)}`
}

const isObject = (value: unknown): value is object =>
  (typeof value === 'object' && value !== null) || typeof value === 'function'
